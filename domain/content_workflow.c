/*
 * The moves are a table. The charter is judged before the transaction, since it takes its time and the SQLite writer is one
 * thread for all; so the update of a publication says once more what was judged, and finds no row when the text has
 * changed since.
 */
#include "domain/content_workflow.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "db/outbox.h"
#include "domain/audit.h"

enum role { BY_ADMIN, BY_EDITOR };

static const struct move {
	const char *from, *to;
	enum role who;
	const char *action; /* in the audit journal */
	const char *by;     /* the member of its metadata that names who did it */
} moves[CONTENT_MOVES] = {
	[CONTENT_PUBLISH] = { "pending", "published", BY_ADMIN, "content_publish", "published_by" },
	[CONTENT_REJECT] = { "pending", "rejected", BY_EDITOR, "content_reject", "rejected_by" },
	[CONTENT_ARCHIVE] = { "published", "archived", BY_ADMIN, "content_archive", "archived_by" },
	[CONTENT_UNPUBLISH] = { "published", "draft", BY_EDITOR, "content_unpublish", "unpublished_by" },
};

bool content_move_allowed(enum content_move which, const struct account *account)
{
	return account && (moves[which].who == BY_ADMIN ? account_is_admin(account) : account->is_editor);
}

const char *content_move_from(enum content_move which)
{
	return moves[which].from;
}

struct moving {
	const struct account *account;
	enum content_move which;
	const struct content *content; /* as it was read */
	const struct content_move_extra *extra;
};

/* Whoever is first: no row is changed when the status, or the text that was judged, is another one by now. */
static int update(struct db_conn *db, const struct moving *m, int64_t *ret_changed)
{
	static const struct db_statement change = {
		"UPDATE core_educationalcontent SET status = $1, modified_by_id = $2, updated_at = $3 WHERE id = $4 AND status = $5"
	};
	static const struct db_statement publish = { "UPDATE core_educationalcontent SET status = $1, modified_by_id = $2, updated_at = "
		                                     "$3, published_by_id = $2, published_at = $3 "
		                                     "WHERE id = $4 AND status = $5 AND title = $6 AND description = $7" };
	const struct move *move = &moves[m->which];

	return db_execute(db, m->which == CONTENT_PUBLISH ? &publish : &change,
	                  DB_PARAMS(DB_TEXT(str_of(move->to)), DB_INT(m->account->id), DB_TIME(clock_now()), DB_INT(m->content->id),
	                            DB_TEXT(str_of(move->from)), DB_TEXT(m->content->title), DB_TEXT(m->content->description)),
	                  ret_changed);
}

static int note(struct db_conn *db, const struct moving *m)
{
	const struct move *move = &moves[m->which];
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_addf(&b, "{\"old_status\":\"%s\",\"new_status\":\"%s\",\"%s\":", move->from, move->to, move->by);
	json_add_int(&b, m->account->id);
	if (m->which == CONTENT_REJECT) {
		buf_add_text(&b, ",\"rejection_reason\":");
		json_add_str(&b, m->extra->reason);
	}
	buf_add_char(&b, '}');
	if (b.failed)
		return ERR_NOMEM;
	return audit_write(db, m->account->id, move->action, "educational_content", m->content->id, (struct json_text){ buf_view(&b) });
}

/* A published content is read out. */
static int put_audio_task(struct db_conn *db, const struct moving *m)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct outbox_task task = { .name = "core.tasks_audio.generate_audio_content", .durable = true };

	buf_add_char(&b, '[');
	json_add_int(&b, m->content->id);
	buf_add_char(&b, ',');
	json_add_text(&b, m->extra->tts_provider);
	buf_add_char(&b, ',');
	json_add_text(&b, m->extra->tts_voice);
	buf_add_char(&b, ']');
	task.args.text = buf_view(&b);
	return b.failed ? ERR_NOMEM : outbox_put(db, &task);
}

static int make(struct db_conn *db, void *arg)
{
	const struct moving *m = arg;
	int64_t changed = 0;
	int r = update(db, m, &changed);

	if (r == 0 && !changed)
		r = ERR_CONFLICT;
	if (r == 0)
		r = note(db, m);
	if (r == 0 && m->which == CONTENT_PUBLISH)
		r = put_audio_task(db, m);
	return r;
}

/* ---- the charter ---- */

static int judge(struct db_conn *db, struct arena *arena, const struct moving *m)
{
	const struct content *c = m->content;
	struct charter_subject subject = { c->title, c->description, c->external_url, c->file, .published_by_known = true };
	struct charter_verdict verdict;
	char id[24];
	int64_t entries;
	struct str target = { id, (size_t)snprintf(id, sizeof(id), "%lld", (long long)c->id) };
	int r = db_select_int(db,
	                      "SELECT count(*) FROM (SELECT 1 FROM core_auditlog WHERE target_type = 'educational_content' AND target_id = "
	                      "$1 LIMIT 1) entries",
	                      DB_PARAMS(DB_TEXT(target)), &entries);

	if (r < 0)
		return r;
	subject.audited = entries > 0;
	r = charter_judge(arena, &subject, &verdict);
	if (r < 0 || !verdict.critical_failures)
		return r;
	*m->extra->ret_verdict = verdict;
	return ERR_INVALID;
}

int content_move(struct db_conn *db, struct arena *arena, const struct account *account, int64_t id, enum content_move which,
                 const struct content_move_extra *extra, struct content *ret_content)
{
	struct content content;
	struct moving moving = { account, which, &content, extra };
	int r;

	if (!content_move_allowed(which, account))
		return ERR_FORBIDDEN;
	r = content_find(db, arena, account, id, &content);
	if (r == 0 && which == CONTENT_PUBLISH)
		r = judge(db, arena, &moving);
	if (r == 0 && !str_is(content.status, moves[which].from))
		r = ERR_CONFLICT; /* known without a transaction; the update decides for the others */
	if (r == 0)
		r = db_write(db, make, &moving);
	if (r < 0)
		return r;
	content.status = str_of(moves[which].to);
	*ret_content = content;
	return 0;
}
