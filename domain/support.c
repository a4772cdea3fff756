/*
 * The concierge's thread is one for each account by a unique index over some of the rows: whoever comes second finds the row of
 * the first. A second call therefore reads alone; only what is missing is written.
 */
#include "domain/support.h"

#include "base/clock.h"
#include "domain/mail.h"
#include "domain/sanitize.h"

int support_is_eligible(struct db_conn *db, int64_t account_id, bool investing, bool *ret_eligible)
{
	static const char sums[] =
	        "SELECT CASE WHEN COALESCE((SELECT ROUND(SUM(t.amount), 2) FROM finance_userwallet w JOIN finance_wallettransaction t "
	        "ON t.wallet_id = w.id WHERE w.user_id = $1 AND t.transaction_type = 'PLEDGE_DONATION'), 0) >= 500 "
	        "OR COALESCE((SELECT SUM(c.montant) FROM core_contribution c WHERE c.user_id = $1), 0) >= 500 "
	        "OR ($2 AND COALESCE((SELECT ROUND(SUM(s.amount_invested), 2) FROM investment_shareholderregister s "
	        "WHERE s.investor_id = $1), 0) >= 1000) THEN 1 ELSE 0 END";
	int64_t eligible;
	int r = db_select_int(db, sums, DB_PARAMS(DB_INT(account_id), DB_BOOL(investing)), &eligible);

	if (r == 0)
		*ret_eligible = eligible;
	return r;
}

/* ---- the concierge ---- */

struct opening {
	struct arena *arena;
	const struct account *owner;
	struct str title;
	struct chat_thread thread;
	bool created;
};

#define OWN_THREAD "FROM core_chatthread t WHERE t.created_by_id = $1 AND t.thread_type = 'SUPPORT_CONCIERGE'"

static int find_own(struct db_conn *db, int64_t owner_id, int64_t *ret_id)
{
	return db_select_int(db, "SELECT t.id " OWN_THREAD, DB_PARAMS(DB_INT(owner_id)), ret_id);
}

/* ERR_NOT_FOUND: another one was quicker. */
static int insert(struct db_conn *db, const struct opening *o, int64_t *ret_id)
{
	static const char sql[] = "INSERT INTO core_chatthread (title, is_private, created_at, updated_at, last_message_at, created_by_id, "
	                          "project_id, thread_type) VALUES ($1, TRUE, $2, $2, NULL, $3, NULL, 'SUPPORT_CONCIERGE') "
	                          "ON CONFLICT DO NOTHING RETURNING id";

	return db_select_int(db, sql, DB_PARAMS(DB_TEXT(o->title), DB_TIME(clock_now()), DB_INT(o->owner->id)), ret_id);
}

static int put_owner_in(struct db_conn *db, int64_t thread_id, int64_t owner_id)
{
	static const struct db_statement sql = { "INSERT INTO core_chatmembership (role, joined_at, thread_id, user_id) "
		                                 "VALUES ('owner', $3, $1, $2) ON CONFLICT (thread_id, user_id) DO NOTHING" };

	return db_execute(db, &sql, DB_PARAMS(DB_INT(thread_id), DB_INT(owner_id), DB_TIME(clock_now())), NULL);
}

static int open_thread(struct db_conn *db, void *arg)
{
	struct opening *o = arg;
	int64_t id;
	int r = find_own(db, o->owner->id, &id);

	o->created = false;
	if (r == ERR_NOT_FOUND) {
		r = insert(db, o, &id);
		o->created = r == 0;
		if (r == ERR_NOT_FOUND)
			r = find_own(db, o->owner->id, &id);
	}
	if (r == 0)
		r = put_owner_in(db, id, o->owner->id);
	return r < 0 ? r : chat_thread_find(db, o->arena, o->owner->id, id, &o->thread);
}

int support_concierge(struct db_conn *db, struct arena *arena, const struct account *owner, struct chat_thread *ret_thread,
                      bool *ret_created)
{
	struct opening o = { .arena = arena, .owner = owner };
	int64_t id;
	int r = find_own(db, owner->id, &id);

	if (r == 0)
		r = chat_thread_find(db, arena, owner->id, id, &o.thread);
	if (r == ERR_NOT_FOUND) {
		o.title = str_of(arena_printf(arena, "Support Concierge - %.*s", STR_ARG(owner->username)));
		r = o.title.s ? db_write(db, open_thread, &o) : ERR_NOMEM;
	}
	if (r < 0)
		return r;
	*ret_thread = o.thread;
	*ret_created = o.created;
	return 0;
}

/* ---- the contact form ---- */

/* What the mail says: as a text, and as HTML. */
struct letter {
	struct db_rows addresses;
	struct buf text, html;
};

static void letter_finish(struct letter *l)
{
	buf_finish(&l->text);
	buf_finish(&l->html);
}

static void add_line(struct letter *l, const char *label, struct str value)
{
	buf_addf(&l->text, "%s : %.*s\n", label, STR_ARG(value));
	buf_addf(&l->html, "<p>%s : ", label);
	sanitize_add(&l->html, value, SANITIZE_LINE);
	buf_add_text(&l->html, "</p>");
}

static void write_letter(struct letter *l, const struct account *author, const struct support_message *m)
{
	add_line(l, "Nom", m->name);
	add_line(l, "Adresse", m->email);
	add_line(l, "Compte", author->username);
	add_line(l, "Adresse du compte", author->email);
	buf_add_char(&l->text, '\n');
	buf_add_str(&l->text, m->message);
	buf_add_text(&l->html, "<p style=\"white-space: pre-wrap\">");
	sanitize_add(&l->html, m->message, SANITIZE_TEXT);
	buf_add_text(&l->html, "</p>");
}

static int post(struct db_conn *db, void *arg)
{
	const struct letter *l = arg;

	return mail_put(db, &l->addresses, (struct str)STR("[EGOEJO] Message au support"), buf_view(&l->html), buf_view(&l->text));
}

int support_contact(struct db_conn *db, struct arena *arena, const struct settings *settings, const struct account *author,
                    const struct support_message *message, bool *ret_sent)
{
	struct letter letter CLEANUP(letter_finish) = { .text = BUF_EMPTY, .html = BUF_EMPTY };
	int r = mail_admins(settings, arena, &letter.addresses);

	if (r < 0)
		return r;
	if (!letter.addresses.n || !mail_is_configured(settings)) {
		*ret_sent = false;
		return 0;
	}
	write_letter(&letter, author, message);
	r = letter.text.failed || letter.html.failed ? ERR_NOMEM : db_write(db, post, &letter);
	if (r == 0)
		*ret_sent = true;
	return r;
}
