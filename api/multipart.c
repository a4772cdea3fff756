/*
 * One pass over the body. A delimiter is CRLF, two hyphens, the boundary: memmem finds the next one, in time linear in the
 * body whatever is sent. What stands between two of them is a part: head, empty line, content. Where the content is
 * missing altogether, the empty line is the CRLF of the delimiter itself.
 */
#include "api/multipart.h"

#include "api/charset.h"
#include "api/form_in.h"
#include "api/media_type_impl.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define MAX_BOUNDARY_CHARS 70

#define MALFORMED "Le corps multipart est mal formé."

struct parser {
	struct str bytes;
	size_t at;            /* the first byte that is not read yet */
	struct str delimiter; /* "\r\n--" and the boundary */
	struct arena *arena;
	json_t *root;
	struct upload *uploads; /* in the arena, room for room */
	size_t n, room, n_parts, text_bytes;
	const char *why;
};

/* What the head of a part says. */
struct part {
	struct str name, filename; /* absent when there is none */
	struct str content_type, encoding;
	struct str content;
	bool disposed; /* there was a Content-Disposition */
};

static int refuse(struct parser *p, const char *why)
{
	p->why = why;
	return ERR_INVALID;
}

static int malformed(struct parser *p)
{
	return refuse(p, MALFORMED);
}

/* ---- boundary and delimiters ---- */

static bool is_boundary_char(char c)
{
	return c && (str_is_alpha(c) || str_is_digit(c) || strchr("'()+_,-./:=? ", c));
}

static bool is_boundary(struct str s)
{
	if (s.len < 1 || s.len > MAX_BOUNDARY_CHARS || s.s[s.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_boundary_char(s.s[i]))
			return false;
	return true;
}

static int set_delimiter(struct parser *p, struct str content_type)
{
	struct str boundary = media_type_parameter(content_type, "boundary");

	if (!is_boundary(boundary))
		return refuse(p, "La délimitation du corps multipart manque ou n'est pas valide.");
	p->delimiter = str_of(arena_printf(p->arena, "\r\n--%.*s", STR_ARG(boundary)));
	return p->delimiter.s ? 0 : ERR_NOMEM;
}

static struct str rest_from(const struct parser *p, size_t at)
{
	return (struct str){ p->bytes.s + at, p->bytes.len - at };
}

/* Where the next delimiter begins, from a position on; false when there is none. */
static bool find_delimiter(const struct parser *p, size_t from, size_t *ret_at)
{
	struct str rest = rest_from(p, from);
	const char *found = memmem(rest.s, rest.len, p->delimiter.s, p->delimiter.len);

	if (found)
		*ret_at = (size_t)(found - p->bytes.s);
	return found;
}

/* The rest of a delimiter's line, at its position; *ret_last: it was the closing one. */
static int end_line(struct parser *p, bool *ret_last)
{
	*ret_last = str_starts(rest_from(p, p->at), "--");
	if (*ret_last)
		p->at += 2;
	while (p->at < p->bytes.len && (p->bytes.s[p->at] == ' ' || p->bytes.s[p->at] == '\t'))
		p->at++;
	if (*ret_last && p->at == p->bytes.len)
		return 0;
	if (!str_starts(rest_from(p, p->at), "\r\n"))
		return malformed(p);
	p->at += 2;
	return 0;
}

/* The first delimiter has no CRLF when nothing stands before it. */
static int skip_preamble(struct parser *p, bool *ret_last)
{
	struct str first = { p->delimiter.s + 2, p->delimiter.len - 2 };
	size_t found;

	if (p->bytes.len >= first.len && memcmp(p->bytes.s, first.s, first.len) == 0)
		p->at = first.len;
	else if (find_delimiter(p, 0, &found))
		p->at = found + p->delimiter.len;
	else
		return malformed(p);
	return end_line(p, ret_last);
}

/* ---- the head of a part ---- */

static bool is_token_char(char c)
{
	return c && (str_is_alpha(c) || str_is_digit(c) || strchr("!#$%&'*+-.^_`|~", c));
}

static struct str take_token(struct str *rest)
{
	struct str token = { rest->s, 0 };

	while (token.len < rest->len && is_token_char(rest->s[token.len]))
		token.len++;
	*rest = (struct str){ rest->s + token.len, rest->len - token.len };
	return token;
}

static bool take_char(struct str *rest, char c)
{
	if (!rest->len || rest->s[0] != c)
		return false;
	*rest = (struct str){ rest->s + 1, rest->len - 1 };
	return true;
}

/*
 * A quoted string, its first quote taken already. Only a quote and a backslash are escaped: browsers send other backslashes
 * as they are, as a part of a name.
 */
static int take_quoted(struct parser *p, struct str *rest, struct str *ret_text)
{
	struct buf text CLEANUP(buf_finish) = BUF_EMPTY; /* the arena is for its own length, not for that of all the rest */

	while (rest->len && rest->s[0] != '"') {
		if (rest->s[0] == '\\' && rest->len > 1 && (rest->s[1] == '"' || rest->s[1] == '\\'))
			*rest = (struct str){ rest->s + 1, rest->len - 1 };
		buf_add_char(&text, rest->s[0]);
		*rest = (struct str){ rest->s + 1, rest->len - 1 };
	}
	if (!take_char(rest, '"'))
		return malformed(p);
	*ret_text = text.failed ? (struct str){ NULL, 0 } : arena_str(p->arena, text.len ? buf_view(&text) : (struct str)STR(""));
	return ret_text->s ? 0 : ERR_NOMEM;
}

/* RFC 8187: charset'language'percent-encoded; of the charsets, UTF-8. */
static int decode_extended(struct parser *p, struct str value, struct str *ret_text)
{
	struct str charset, language;

	if (!str_split(&value, '\'', &charset) || !str_split(&value, '\'', &language) || !value.s ||
	    !str_equal_nocase(charset, (struct str)STR("utf-8")))
		return malformed(p);
	*ret_text = str_percent_decode(p->arena, value, false);
	return ret_text->s ? 0 : ERR_NOMEM;
}

static bool is_plain_text(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.s[i] < 0x20 || s.s[i] == 0x7f)
			return false;
	return str_valid_utf8(s);
}

/* One parameter of Content-Disposition; those that are not known are read over. */
static int keep_parameter(struct parser *p, struct part *part, struct str *ret_extended, struct str name, struct str value)
{
	struct str *member = str_equal_nocase(name, (struct str)STR("name"))        ? &part->name
	                     : str_equal_nocase(name, (struct str)STR("filename"))  ? &part->filename
	                     : str_equal_nocase(name, (struct str)STR("filename*")) ? ret_extended
	                                                                            : NULL;
	int r = 0;

	if (!member)
		return 0;
	if (member == ret_extended)
		r = decode_extended(p, value, &value);
	if (r == 0 && (member->s || !is_plain_text(value)))
		return malformed(p);
	*member = value;
	return r;
}

static int take_parameter(struct parser *p, struct part *part, struct str *ret_extended, struct str *rest)
{
	struct str name, value;
	int r = 0;

	*rest = str_trim(*rest);
	name = take_token(rest);
	if (!name.len || !take_char(rest, '='))
		return malformed(p);
	if (take_char(rest, '"'))
		r = take_quoted(p, rest, &value);
	else
		value = take_token(rest);
	*rest = str_trim(*rest);
	return r < 0 ? r : keep_parameter(p, part, ret_extended, name, value);
}

static int read_disposition(struct parser *p, struct part *part, struct str value)
{
	struct str extended = { NULL, 0 };
	int r = 0;

	if (part->disposed || !str_equal_nocase(take_token(&value), (struct str)STR("form-data")))
		return malformed(p);
	part->disposed = true;
	value = str_trim(value);
	while (r == 0 && value.len)
		r = take_char(&value, ';') ? take_parameter(p, part, &extended, &value) : malformed(p);
	if (extended.s)
		part->filename = extended;
	return r == 0 && !part->name.s ? malformed(p) : r;
}

static int read_header(struct parser *p, struct part *part, struct str line)
{
	struct str name = take_token(&line), value;

	if (!name.len || !take_char(&line, ':'))
		return malformed(p);
	value = str_trim(line);
	if (!is_plain_text(value))
		return malformed(p);
	if (str_equal_nocase(name, (struct str)STR("content-disposition")))
		return read_disposition(p, part, value);
	if (str_equal_nocase(name, (struct str)STR("content-type")))
		part->content_type = value;
	else if (str_equal_nocase(name, (struct str)STR("content-transfer-encoding")))
		part->encoding = value;
	return 0;
}

/* Up to the empty line, which is left unread: it may be a part of the delimiter. */
static int read_head(struct parser *p, struct part *part)
{
	size_t start = p->at;
	int r = 0;

	while (r == 0) {
		struct str rest = rest_from(p, p->at);
		const char *end;

		if (rest.len > MULTIPART_MAX_HEAD_BYTES)
			rest.len = MULTIPART_MAX_HEAD_BYTES;
		end = memmem(rest.s, rest.len, "\r\n", 2);
		if (!end || (size_t)(end - p->bytes.s) - start > MULTIPART_MAX_HEAD_BYTES)
			return malformed(p);
		if (end == rest.s)
			return part->disposed ? 0 : malformed(p);
		r = read_header(p, part, (struct str){ rest.s, (size_t)(end - rest.s) });
		p->at += (size_t)(end - rest.s) + 2;
	}
	return r;
}

static bool is_nested(struct str content_type)
{
	return content_type.len >= 10 && str_equal_nocase((struct str){ content_type.s, 10 }, (struct str)STR("multipart/"));
}

static bool is_encoded(struct str encoding)
{
	static const struct str plain[] = { STR("7bit"), STR("8bit"), STR("binary") };

	for (size_t i = 0; i < N_ELEMENTS(plain); i++)
		if (str_equal_nocase(encoding, plain[i]))
			return false;
	return encoding.s;
}

/* ---- parts ---- */

static int add_text(struct parser *p, const struct part *part)
{
	struct str text;
	int r = charset_to_utf8(media_type_parameter(part->content_type, "charset"), part->content, p->arena, &text);

	p->text_bytes += part->content.len;
	if (r == ERR_INVALID || (r == 0 && !str_valid_utf8(text)))
		return refuse(p, FORM_NOT_UTF8);
	return r < 0 ? r : form_add(p->root, part->name, json_stringn_nocheck(text.s, text.len));
}

static int make_room(struct parser *p)
{
	size_t room = p->room ? p->room * 2 : 4;
	struct upload *wider;

	if (p->n < p->room)
		return 0;
	wider = arena_alloc(p->arena, room * sizeof(*wider));
	if (!wider)
		return ERR_NOMEM;
	if (p->n)
		memcpy(wider, p->uploads, p->n * sizeof(*wider));
	p->uploads = wider;
	p->room = room;
	return 0;
}

static int add_file(struct parser *p, const struct part *part)
{
	int r = make_room(p);

	if (r < 0)
		return r;
	p->uploads[p->n] = (struct upload){
		.name = part->name, .filename = part->filename, .content_type = part->content_type, .bytes = part->content
	};
	return form_add(p->root, part->name, body_upload_element(p->n++));
}

static int add_part(struct parser *p, const struct part *part)
{
	if (++p->n_parts > FORM_MAX_FIELDS)
		return refuse(p, FORM_TOO_LONG);
	if (is_nested(part->content_type))
		return refuse(p, "Un corps multipart ne peut en contenir un autre.");
	if (is_encoded(part->encoding))
		return refuse(p, "L'encodage d'une partie du corps multipart n'est pas pris en charge.");
	if (!part->filename.s)
		return add_text(p, part);
	return part->filename.len || part->content.len ? add_file(p, part) : 0;
}

/* From behind a delimiter's line to behind the next one. */
static int read_part(struct parser *p, bool *ret_last)
{
	struct part part = { .disposed = false };
	int r = read_head(p, &part);
	size_t end;

	if (r < 0)
		return r;
	if (!find_delimiter(p, p->at, &end))
		return malformed(p);
	if (end > p->at)
		part.content = (struct str){ p->bytes.s + p->at + 2, end - p->at - 2 };
	else
		part.content = (struct str){ "", 0 };
	p->at = end + p->delimiter.len;
	r = add_part(p, &part);
	return r < 0 ? r : end_line(p, ret_last);
}

static int read_all(struct parser *p, struct str content_type)
{
	bool last = false;
	int r = set_delimiter(p, content_type);

	if (r == 0)
		r = skip_preamble(p, &last);
	while (r == 0 && !last)
		r = read_part(p, &last);
	return r;
}

int multipart_read(struct str content_type, struct str bytes, struct arena *a, struct body_value *ret_body, const char **ret_why)
{
	json_t *root CLEANUP(json_decrefp) = json_object();
	struct parser p = { .bytes = bytes, .arena = a, .root = root };
	int r = root ? read_all(&p, content_type) : ERR_NOMEM;

	if (r == ERR_INVALID)
		*ret_why = p.why;
	if (r == 0)
		*ret_body = (struct body_value){
			.root = TAKE(root), .is_form = true, .uploads = p.uploads, .n_uploads = p.n, .text_bytes = p.text_bytes
		};
	return r;
}
