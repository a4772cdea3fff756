#include "api/form_in.h"

#include "api/json_in.h"
#include "base/cleanup.h"

static size_t count_pieces(struct str bytes)
{
	size_t n = 1;

	for (size_t i = 0; i < bytes.len; i++)
		n += bytes.s[i] == '&';
	return n;
}

static int decode(struct str raw, struct arena *a, struct str *ret_text)
{
	*ret_text = str_percent_decode(a, raw, true);
	if (!ret_text->s)
		return ERR_NOMEM;
	return str_valid_utf8(*ret_text) ? 0 : ERR_INVALID;
}

int form_add(json_t *root, struct str name, json_t *value)
{
	json_t *list = json_object_getn(root, name.s, name.len);

	if (!list) {
		list = json_array();
		if (json_object_setn_new_nocheck(root, name.s, name.len, list) < 0) {
			json_decref(value);
			return ERR_NOMEM;
		}
	}
	return json_array_append_new(list, value) < 0 ? ERR_NOMEM : 0;
}

static int add_piece(json_t *root, struct str piece, struct arena *a)
{
	ptrdiff_t equals = str_find(piece, '=');
	struct str raw_name = { piece.s, equals < 0 ? piece.len : (size_t)equals }, name;
	struct str raw_value = { "", 0 }, value;
	int r;

	if (equals >= 0)
		raw_value = (struct str){ piece.s + equals + 1, piece.len - (size_t)equals - 1 };
	r = decode(raw_name, a, &name);
	if (r == 0)
		r = decode(raw_value, a, &value);
	return r == 0 ? form_add(root, name, json_stringn_nocheck(value.s, value.len)) : r;
}

int form_read(struct str bytes, struct arena *a, json_t **ret_root, const char **ret_why)
{
	json_t *root CLEANUP(json_decrefp) = json_object();
	struct str piece;
	int r = root ? 0 : ERR_NOMEM;

	if (count_pieces(bytes) > FORM_MAX_FIELDS) {
		*ret_why = FORM_TOO_LONG;
		return ERR_INVALID;
	}
	while (r == 0 && str_split(&bytes, '&', &piece))
		if (piece.len)
			r = add_piece(root, piece, a);
	if (r == ERR_INVALID)
		*ret_why = FORM_NOT_UTF8;
	if (r == 0)
		*ret_root = TAKE(root);
	return r;
}
