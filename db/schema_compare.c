/*
 * The schema: comparing a database with schema.def.
 *
 * One query lists all columns of the database with their type and nullability; they are compared one by one. On
 * SQLite two types are the same when their affinity is. What the database has beyond the list is no difference.
 */
#include "base/cleanup.h"
#include "db/schema.h"
#include "db/schema_impl.h"

/* Room for the list of all columns. */
#define LIST_BYTES (16u * 1024 * 1024)

struct found_column {
	struct str table, column, type;
	bool nullable;
};

static const struct db_column found_columns[] = {
	DB_COLUMN(struct found_column, table, TEXT, "tbl"),
	DB_COLUMN(struct found_column, column, TEXT, "col"),
	DB_COLUMN(struct found_column, type, TEXT, "kind"),
	DB_COLUMN(struct found_column, nullable, BOOL, "nullable"),
};
static const struct db_row found_row = DB_ROW(struct found_column, found_columns);

static const struct db_statement list_columns = {
	.row = &found_row,
	.sqlite = "SELECT $cols FROM (SELECT m.name AS tbl, p.name AS col, p.type AS kind, p.\"notnull\" = 0 AND p.pk = 0 AS nullable"
	          " FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE "
	          "'\\')"
	          " ORDER BY tbl, col",
	.postgresql =
	        "SELECT $cols FROM (SELECT c.relname::text AS tbl, a.attname::text AS col, format_type(a.atttypid, a.atttypmod) AS kind,"
	        " NOT a.attnotnull AS nullable FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	        " JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')"
	        " AND a.attnum > 0 AND NOT a.attisdropped) x ORDER BY tbl, col",
};

/* What the comparison gathers. */
struct comparison {
	enum db_engine engine;
	const struct found_column *found;
	size_t n_found;
	size_t django_differences, our_differences;
	struct schema_look *look;
};

enum affinity { AFFINITY_INTEGER, AFFINITY_TEXT, AFFINITY_BLOB, AFFINITY_REAL, AFFINITY_NUMERIC };

static bool contains(struct str s, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= s.len; i++)
		if (str_equal_nocase((struct str){ s.s + i, n }, (struct str){ word, n }))
			return true;
	return false;
}

/* SQLite's rules, in its order (datatype3.html section 3.1). */
static enum affinity affinity_of(struct str type)
{
	if (contains(type, "int"))
		return AFFINITY_INTEGER;
	if (contains(type, "char") || contains(type, "clob") || contains(type, "text"))
		return AFFINITY_TEXT;
	if (!type.len || contains(type, "blob"))
		return AFFINITY_BLOB;
	if (contains(type, "real") || contains(type, "floa") || contains(type, "doub"))
		return AFFINITY_REAL;
	return AFFINITY_NUMERIC;
}

static bool same_type(enum db_engine engine, const struct schema_type *type, struct str found)
{
	if (engine == DB_SQLITE)
		return affinity_of(str_of(type->sqlite)) == affinity_of(found);
	return str_is(found, type->postgresql);
}

static const struct found_column *find(const struct comparison *c, const char *table, const char *column)
{
	for (size_t i = 0; i < c->n_found; i++)
		if (str_is(c->found[i].table, table) && (!column || str_is(c->found[i].column, column)))
			return &c->found[i];
	return NULL;
}

static void compare_column(struct comparison *c, const char *table, const struct schema_item *item, size_t *differences)
{
	const struct found_column *f = find(c, table, item->name);
	bool nullable = item->flags & NULLABLE;
	const char *type = c->engine == DB_SQLITE ? item->type.sqlite : item->type.postgresql;

	if (!f) {
		buf_addf(&c->look->report, "column %s.%s is missing\n", table, item->name);
		++*differences;
		return;
	}
	if (!same_type(c->engine, &item->type, f->type)) {
		buf_addf(&c->look->report, "column %s.%s is %.*s, expected %s\n", table, item->name, STR_ARG(f->type), type);
		++*differences;
	}
	if (f->nullable != nullable) {
		buf_addf(&c->look->report, "column %s.%s %s be null\n", table, item->name, f->nullable ? "may" : "may not");
		++*differences;
	}
}

static void compare_table(struct comparison *c, size_t i)
{
	const struct schema_item *table = &schema_items[i];
	size_t *differences = table->owner == DJANGO ? &c->django_differences : &c->our_differences;
	size_t end = schema_table_end(i);

	if (!find(c, table->name, NULL)) {
		buf_addf(&c->look->report, "table %s is missing\n", table->name);
		if (table->owner == OURS && c->look->n_missing < SCHEMA_MAX_OURS)
			c->look->missing[c->look->n_missing++] = i;
		else
			++*differences;
		return;
	}
	for (i++; i < end; i++)
		if (schema_items[i].what == SCHEMA_COLUMN)
			compare_column(c, table->name, &schema_items[i], differences);
}

static int read_version(struct db_conn *conn, const struct comparison *c, int64_t *ret_version)
{
	*ret_version = 0;
	if (!find(c, "egoejo_schema", "version"))
		return 0;
	return db_select_int(conn, "SELECT coalesce(max(version), 0) FROM egoejo_schema", DB_NO_PARAMS, ret_version);
}

/* A higher version is a later program's, which only adds: current when the tables are. */
static enum schema_state judge(const struct comparison *c)
{
	if (c->django_differences || c->our_differences)
		return SCHEMA_FOREIGN;
	return c->look->n_missing || c->look->version < SCHEMA_VERSION ? SCHEMA_KNOWN : SCHEMA_CURRENT;
}

static int compare(struct db_conn *conn, struct comparison *c)
{
	int r;

	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE)
			compare_table(c, i);
	r = read_version(conn, c, &c->look->version);
	if (r < 0)
		return r;
	c->look->state = judge(c);
	return c->look->report.failed ? ERR_NOMEM : 0;
}

static int look_in(struct db_conn *conn, struct arena *arena, struct schema_look *look)
{
	struct comparison c = { .engine = db_engine(db_of(conn)), .look = look };
	struct db_rows rows;
	int r = db_select(conn, &list_columns, DB_NO_PARAMS, arena, &rows);

	if (r < 0)
		return r;
	c.found = rows.items;
	c.n_found = rows.n;
	return rows.n ? compare(conn, &c) : 0;
}

int schema_look(struct db_conn *conn, struct schema_look *ret_look)
{
	struct arena arena;
	int r;

	buf_clear(&ret_look->report);
	ret_look->state = SCHEMA_EMPTY;
	ret_look->version = 0;
	ret_look->n_missing = 0;
	arena_init(&arena, LIST_BYTES);
	r = look_in(conn, &arena, ret_look);
	arena_finish(&arena);
	return r;
}
