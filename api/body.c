#include "api/body.h"

#include "api/charset.h"
#include "api/form_in.h"
#include "api/json_in.h"
#include "api/media_type_impl.h"

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
	if (r == 0)
		*ret_body = body;
	return r;
}

void body_finish(struct body_value *body)
{
	json_decref(body->root);
	body->root = NULL;
}
