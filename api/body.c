#include "api/body.h"

#include "api/charset.h"
#include "api/form_in.h"
#include "api/json_in.h"
#include "api/media_type_impl.h"
#include "api/multipart.h"

static int read_json(struct str content_type, struct str bytes, struct arena *a, struct json_t **ret_root, const char **ret_why)
{
	struct str text;
	int r = charset_to_utf8(media_type_parameter(content_type, "charset"), bytes, a, &text);

	if (r == ERR_INVALID)
		*ret_why = "Le corps n'est pas dans l'encodage annoncé.";
	return r < 0 ? r : json_read(text, ret_root, ret_why);
}

int body_read(struct str content_type, struct str bytes, struct arena *a, struct body_value *ret_body, const char **ret_why)
{
	enum body_kind kind = body_kind(content_type);
	struct body_value body = { .is_form = kind == BODY_FORM || kind == BODY_MULTIPART };
	int r = 0;

	if (bytes.len && kind == BODY_JSON)
		r = read_json(content_type, bytes, a, &body.root, ret_why);
	else if (bytes.len && kind == BODY_FORM)
		r = form_read(bytes, a, &body.root, ret_why);
	else if (bytes.len && kind == BODY_MULTIPART)
		r = multipart_read(content_type, bytes, a, &body, ret_why);
	if (r == 0)
		*ret_body = body;
	return r;
}

/* Of all that a form can hold, nothing else is an object. */
json_t *body_upload_element(size_t index)
{
	return json_pack("{s:I}", "upload", (json_int_t)index);
}

struct upload *body_upload(const struct body_value *body, const json_t *element)
{
	const json_t *index = body->is_form ? json_object_get(element, "upload") : NULL;

	return index ? &body->uploads[json_integer_value(index)] : NULL;
}

struct upload *body_last_upload(const struct body_value *body, const char *field)
{
	const json_t *list = json_object_get(body->root, field);

	return body_upload(body, json_array_get(list, json_array_size(list) - 1));
}

void body_finish(struct body_value *body)
{
	json_decref(body->root);
	body->root = NULL;
}
