/*
 * One walk down the references makes both texts: the question whether something protects, and the script that deletes.
 * Rows are named by conditions, one inside the other: those of the first table by their id, those of a referring table by
 * "reference IN (SELECT id FROM … WHERE …)". The deepest go first, while the conditions still find their parents.
 *
 * The question is a prepared statement, whose identity is its text's address: so it is made once per table and kept. The
 * script holds the id as a number and runs at once, one round trip for all of it.
 */
#include "db/cascade.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "db/schema_impl.h"

/* The longest chain of cascades in schema.def is 3; a circle would be a mistake there. */
#define DEPTH_MAX 8

struct walk {
	struct buf question; /* " OR EXISTS (…)" for each reference that protects */
	struct buf script;
};

static void walk_references(struct walk *, const char *table, const char *condition, int depth);

static void meet_reference(struct walk *w, const char *table, const struct schema_item *column, const char *condition, int depth)
{
	switch (column->rule) {
	case PROTECT:
		buf_addf(&w->question, " OR EXISTS (SELECT 1 FROM \"%s\" WHERE %s)", table, condition);
		break;
	case SET_NULL:
		buf_addf(&w->script, "UPDATE \"%s\" SET \"%s\" = NULL WHERE %s;\n", table, column->name, condition);
		break;
	case CASCADE:
		walk_references(w, table, condition, depth + 1);
		buf_addf(&w->script, "DELETE FROM \"%s\" WHERE %s;\n", table, condition);
		break;
	case NO_REFERENCE:
		break;
	}
}

/* condition names rows of the table: at depth 0 their id, which is the same as the reference's value. */
static void walk_references(struct walk *w, const char *table, const char *condition, int depth)
{
	const char *referring = "";

	for (size_t i = 0; i < schema_n_items; i++) {
		const struct schema_item *item = &schema_items[i];
		struct buf inner CLEANUP(buf_finish) = BUF_EMPTY;

		if (item->what == SCHEMA_TABLE)
			referring = item->name;
		if (item->what != SCHEMA_COLUMN || !item->refers_to || strcmp(item->refers_to, table) != 0)
			continue;
		if (depth == 0)
			buf_addf(&inner, "\"%s\" = %s", item->name, condition);
		else
			buf_addf(&inner, "\"%s\" IN (SELECT \"id\" FROM \"%s\" WHERE %s)", item->name, table, condition);
		w->script.failed |= inner.failed || depth == DEPTH_MAX;
		if (!w->script.failed)
			meet_reference(w, referring, item, inner.data, depth);
	}
}

/* The name as schema.def has it, which stays; NULL for an unknown table. */
static const char *table_of(const char *name)
{
	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE && strcmp(schema_items[i].name, name) == 0)
			return schema_items[i].name;
	return NULL;
}

/* The questions made so far; never freed, as connections know them by their address. */
struct question {
	struct question *next;
	const char *table; /* as table_of names it */
	char *sql;         /* owned */
};

static struct question *questions;
static pthread_mutex_t questions_lock = PTHREAD_MUTEX_INITIALIZER;

static void walk_finish(struct walk *w)
{
	buf_finish(&w->question);
	buf_finish(&w->script);
}

static struct question *make_question(const char *table)
{
	struct walk w CLEANUP(walk_finish) = { BUF_EMPTY, BUF_EMPTY };
	struct question *q CLEANUP(cleanup_free) = mem_alloc(sizeof(*q));

	buf_add_text(&w.question, "SELECT CASE WHEN 1 = 0");
	walk_references(&w, table, "$1", 0);
	buf_add_text(&w.question, " THEN 1 ELSE 0 END");
	if (!q || w.question.failed || w.script.failed)
		return NULL;
	*q = (struct question){ .table = table, .sql = buf_detach(&w.question, NULL) };
	return TAKE(q);
}

/* NULL without memory. */
static const char *question_of(const char *table)
{
	struct question *q;

	pthread_mutex_lock(&questions_lock);
	for (q = questions; q && q->table != table; q = q->next)
		;
	if (!q && (q = make_question(table))) {
		q->next = questions;
		questions = q;
	}
	pthread_mutex_unlock(&questions_lock);
	return q ? q->sql : NULL;
}

int cascade_is_protected(struct db_conn *db, const char *table, int64_t id, bool *ret_protected)
{
	const char *known = table_of(table);
	const char *sql = known ? question_of(known) : NULL;
	int64_t found;
	int r;

	if (!sql)
		return known ? ERR_NOMEM : ERR_INTERNAL;
	r = db_select_int(db, sql, DB_PARAMS(DB_INT(id)), &found);
	if (r == 0)
		*ret_protected = found;
	return r;
}

int cascade_delete(struct db_conn *db, const char *table, int64_t id)
{
	struct walk w CLEANUP(walk_finish) = { BUF_EMPTY, BUF_EMPTY };
	bool is_protected = false;
	char value[24];
	int r = cascade_is_protected(db, table, id, &is_protected);

	if (r < 0 || is_protected)
		return r < 0 ? r : ERR_CONFLICT;
	snprintf(value, sizeof(value), "%" PRId64, id);
	walk_references(&w, table, value, 0);
	buf_addf(&w.script, "DELETE FROM \"%s\" WHERE \"id\" = %s;\n", table, value);
	return w.script.failed ? ERR_NOMEM : db_script(db, w.script.data);
}
