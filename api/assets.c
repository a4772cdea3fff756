/* /api/impact/global-assets/: projects.md 7. */
#include "domain/assets.h"

#include "api/handlers_impl.h"
#include "api/reply.h"
#include "domain/account.h"
#include "domain/wallet.h"

static const struct field pocket_field_list[] = {
	FIELD(struct pocket, "id", id, INT),
	FIELD(struct pocket, "name", name, TEXT),
	FIELD(struct pocket, "type", type, TEXT),
	FIELD(struct pocket, "amount", amount, DECIMAL),
};
static const struct fields pocket_fields = FIELDS(struct pocket, pocket_field_list);

static const struct field position_field_list[] = {
	FIELD(struct position, "project_id", project_id, INT),
	FIELD(struct position, "project_title", project_title, TEXT),
	FIELD(struct position, "shares", shares, INT),
	FIELD(struct position, "valuation", valuation, DECIMAL),
};
static const struct fields position_fields = FIELDS(struct position, position_field_list);

static const struct field donation_field_list[] = {
	FIELD(struct assets, "total_amount", donated, DECIMAL),
	FIELD(struct assets, "metrics_count", projects, INT),
};
static const struct fields donation_fields = FIELDS(struct assets, donation_field_list);

static const struct field equity_field_list[] = {
	FIELD(struct assets, "is_active", invests, BOOL),
	FIELD(struct assets, "positions", positions, ROWS, .of = &position_fields),
	FIELD(struct assets, "valuation", portfolio, DECIMAL),
};
static const struct fields equity_fields = FIELDS(struct assets, equity_field_list);

static const struct field dividend_field_list[] = {
	FIELD(struct assets, "estimated_value", dividend, DECIMAL),
};
static const struct fields dividend_fields = FIELDS(struct assets, dividend_field_list);

static const struct field saka_field_list[] = {
	FIELD(struct assets, "balance", saka_balance, INT),
	FIELD(struct assets, "total_harvested", saka_harvested, INT),
	FIELD(struct assets, "total_planted", saka_planted, INT),
	FIELD(struct assets, "total_composted", saka_composted, INT),
};
static const struct fields saka_fields = FIELDS(struct assets, saka_field_list);

static const struct field assets_field_list[] = {
	FIELD(struct assets, "cash_balance", cash_balance, DECIMAL),
	FIELD(struct assets, "pockets", pockets, ROWS, .of = &pocket_fields),
	FIELD_PART("donations", &donation_fields),
	FIELD_PART("equity_portfolio", &equity_fields),
	FIELD_PART("social_dividend", &dividend_fields),
	FIELD_PART("saka", &saka_fields),
};
const struct fields assets_fields = FIELDS(struct assets, assets_field_list);

void assets_show(struct request *req)
{
	struct assets assets;
	int r = assets_read(req->worker->db, &req->arena, req->worker->context->settings, req->caller->id, &assets);

	reply_found(req, r, &assets_fields, &assets);
}
