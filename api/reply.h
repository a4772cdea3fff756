/*
 * Replies: how a handler answers. Each function sets req->reply completely; texts go to the arena. Answers are JSON
 * unless said otherwise; messages for people are French (http.md, first lines). The thread that serves the request.
 */
#ifndef API_REPLY_H
#define API_REPLY_H

#include "api/fields.h"
#include "api/query.h"
#include "api/request.h"

/* The object of one struct. */
void reply_with(struct request *, int status, const struct fields *, const void *row);

/* What a domain call found: its row as an object, or its rows as a bare array; when its result is negative, that error. */
void reply_found(struct request *, int result, const struct fields *, const void *row);
void reply_rows(struct request *, int result, const struct fields *, const struct db_rows *);

/* JSON that the handler wrote; takes the buffer's content (it is empty afterwards). A failed buffer becomes a 500. */
void reply_json_take(struct request *, int status, struct buf *);

/* As reply_json_take for a body of another type; content_type lives as long as the request. */
void reply_body_take(struct request *, int status, struct buf *, const char *content_type);

/* {"detail": text} */
void reply_detail(struct request *, int status, const char *text);

/* {"error": text}, for the hand-written views that answer so. */
void reply_hand_error(struct request *, int status, const char *text);

/* {"<field>": [text]}, status 400. */
void reply_field_error(struct request *, const char *field, const char *text);

/* No body and no content type. */
void reply_empty(struct request *, int status);

/* A plain text body that lives as long as the request. */
void reply_text(struct request *, int status, struct str body, const char *content_type);

/* A part of an open file, which is taken and closed with the answer; it is sent without being read into memory. */
void reply_file_take(struct request *, int status, const char *content_type, int fd, uint64_t offset, uint64_t n);

/* Closes the file of an answer that is not sent; harmless without one. */
void reply_drop_file(struct reply *);

/*
 * A ready response with its ETag; 304 when If-None-Match names it; compressed as Accept-Encoding allows. Borrowed until
 * the answer is sent.
 */
void reply_ready(struct request *, struct ready *);

/*
 * The answer to a negative result of a domain call: 404, 409, 503 …; what is not the client's doing is logged, with the
 * request's id.
 */
void reply_error(struct request *, int code);

/* Adds a header field; name and value live as long as the request. */
void reply_header(struct request *, const char *name, const char *value);

/* Which page of a list is asked for. */
struct page {
	int64_t number; /* from 1 */
	int64_t size;
	int64_t count; /* of all rows */
};

/*
 * Works out which page of a list ?page= asks for (http.md 7). result and count are those of the domain call that counted
 * its rows; size 0 is API_PAGE_SIZE. False when there is no such page (404) or the result is negative: answered.
 */
bool page_or_reply(struct request *, int result, const struct query *, int64_t size, int64_t count, struct page *ret_page);

/* Where its first row is. */
int64_t page_offset(const struct page *);

/* The envelope {"count","next","previous","results"}, or the error when the result of the call that listed is negative. */
void reply_page(struct request *, int result, const struct query *, const struct page *, const struct fields *, const struct db_rows *);

/*
 * The same envelope for the last rows of a list of count rows: "next" is null, "previous" the same query with ?before= the id of
 * the first row shown, where there are more.
 */
void reply_tail(struct request *, int result, const struct query *, int64_t count, int64_t first, const struct fields *,
                const struct db_rows *);

/* Parses the query, or answers 400. */
bool query_or_reply(struct request *, struct query *ret_query);

/*
 * Parses the query and reads it into a row by a table, as a form is read (http.md 4): an absent parameter and, unless it
 * is FIELD_BLANK, an empty one leave their member as it is, but an absent boolean is false. False: 400 with the errors of
 * all parameters, or 5xx, has been answered.
 */
bool request_query_or_reply(struct request *, const struct fields *, void *row, struct query *ret_query);

/*
 * The id that a parameter narrows a list by: NULL_INT when it is absent or empty, one that no row has when it is beyond 64 bits.
 * False: it is no number, 400 has been answered.
 */
bool query_id_or_reply(struct request *, const struct query *, const char *name, int64_t *ret_id);

/*
 * Parses the request's body; the caller finishes *ret_body. False: 400 (malformed) has been answered. Dispatch does this
 * once, before the handler of an unsafe method, and keeps the value in req->parsed.
 */
bool body_or_reply(struct request *, struct body_value *ret_body);

/* False: 415 has been answered, for a body of a type that is none of ours. */
bool body_type_or_reply(struct request *);

/*
 * Where TRAIT_LATE_BODY keeps dispatch from it: parses the body into req->parsed, once. For handlers that read it by hand; those below
 * do it. False: 400 or 415 has been answered.
 */
bool late_body_or_reply(struct request *);

/*
 * Reads the body into a row by a table (api/fields.h): for POST and PUT. Members of fields that are not in the body
 * stay as they are: put the defaults there first. References are looked up on the worker's connection. Texts live in
 * the request's arena. Files are stored when all is fine, and removed when the answer is an error after all; their members
 * are paths. False: 400 with the errors of all fields, or 5xx has been answered.
 */
bool request_read_or_reply(struct request *, const struct fields *, void *row);

/* As request_read_or_reply for PATCH: no field is missing; *ret_present has bit i for field i of the table. */
bool request_read_part_or_reply(struct request *, const struct fields *, void *row, uint64_t *ret_present);

/* As request_read_or_reply for the PUT of a row that keeps what is not in the body; *ret_present as for PATCH. */
bool request_replace_or_reply(struct request *, const struct fields *, void *row, uint64_t *ret_present);

#endif
