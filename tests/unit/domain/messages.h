/* What tests read of the messages in the outbox. */
#ifndef TESTS_UNIT_DOMAIN_MESSAGES_H
#define TESTS_UNIT_DOMAIN_MESSAGES_H

#include <jansson.h>

#include "base/base64.h"
#include "tests/unit/domain/fixture.h"

struct message_row {
	struct str envelope;
};

/* The arguments of the message at this place from the end, 0 the last, as JSON in the arena. */
static inline struct str args_of_message(struct fixture *f, int64_t from_end)
{
	static const struct db_column columns[] = { DB_COLUMN(struct message_row, envelope, TEXT, "envelope") };
	static const struct db_row row = DB_ROW(struct message_row, columns);
	static const struct db_statement find = { "SELECT $cols FROM egoejo_outbox ORDER BY id DESC LIMIT 1 OFFSET $1", &row };
	struct message_row message;
	json_t *envelope, *whole;
	struct str args, body;
	char *text, *decoded;
	size_t n;

	assert_ok(db_select_one(f->conn, &find, DB_PARAMS(DB_INT(from_end)), &f->arena, &message));
	envelope = json_loadb(message.envelope.s, message.envelope.len, 0, NULL);
	body = str_of(json_string_value(json_object_get(envelope, "body")));
	decoded = malloc(BASE64_DECODED_MAX(body.len));
	assert_true(base64_decode(body, BASE64, decoded, &n));
	whole = json_loadb(decoded, n, 0, NULL);
	text = json_dumps(json_array_get(whole, 0), 0);
	args = arena_str(&f->arena, str_of(text));
	free(text);
	free(decoded);
	json_decref(whole);
	json_decref(envelope);
	return args;
}

static inline struct str args_of_last_message(struct fixture *f)
{
	return args_of_message(f, 0);
}

#endif
