#include "domain/each_impl.h"

#define PART_BYTES ((size_t)64 * 1024)

static const struct db_column id_columns[] = { DB_COLUMN(struct id_row, id, INT, "id") };
const struct db_row id_row = DB_ROW(struct id_row, id_columns);

int each_id(struct db_conn *db, const struct db_statement *part, int (*fn)(struct db_conn *, int64_t id, void *arg), void *arg,
            int64_t *ret_count)
{
	struct db_rows found = { NULL, 1 };
	int64_t last = -INT64_MAX, count = 0;
	struct arena arena;
	int r = 0;

	arena_init(&arena, PART_BYTES);
	while (r == 0 && found.n) {
		const struct id_row *ids;

		arena_reset(&arena);
		found.n = 0;
		r = db_select(db, part, DB_PARAMS(DB_INT(last)), &arena, &found);
		ids = found.items;
		for (size_t i = 0; r == 0 && i < found.n; i++, count++)
			r = fn(db, last = ids[i].id, arg);
	}
	arena_finish(&arena);
	if (r == 0)
		*ret_count = count;
	return r;
}
