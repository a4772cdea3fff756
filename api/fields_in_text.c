/* Readers of the kinds that are texts, and of JSON kept as text: http.md 4. */
#include "api/fields_in_impl.h"
#include "api/json_in.h"
#include "api/text_form.h"

bool store_text(struct reading *r, struct str text, struct str *member)
{
	*member = arena_str(r->in->arena, text);
	return member->s || give_up(r, ERR_NOMEM);
}

/* The trimmed text, if there is any. */
static bool read_trimmed(struct reading *r, const struct field *f, const json_t *value, char space[40], struct str *ret_text)
{
	struct str text = { NULL, 0 };

	if (!scalar_text(value, space, &text))
		return refuse(r, "Chaîne de texte non valide.");
	text = str_trim_unicode(text);
	if (!text.len && !(f->flags & FIELD_BLANK))
		return refuse(r, "Ce champ ne peut être vide.");
	*ret_text = text;
	return true;
}

static void check_limits(struct reading *r, const struct field *f, struct str text)
{
	if (f->max_chars && str_count_chars(text) > f->max_chars)
		refuse(r, "Assurez-vous que ce champ comporte au plus %u caractères.", f->max_chars);
	if (str_find(text, '\0') >= 0)
		refuse(r, "Le caractère nul n'est pas autorisé.");
}

/* A text of a form; an empty one, where it is allowed, has none. Limits and form are told together. */
static bool read_formed(struct reading *r, const struct field *f, const json_t *value, bool (*is_formed)(struct str), const char *message,
                        struct str *member)
{
	char space[40];
	struct str text = { NULL, 0 };

	if (!read_trimmed(r, f, value, space, &text))
		return false;
	check_limits(r, f, text);
	if (text.len && !is_formed(text))
		refuse(r, "%s", message);
	return !r->refusal.len && store_text(r, text, member);
}

static bool is_any(struct str text)
{
	(void)text;
	return true;
}

bool read_text(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	return read_formed(r, f, value, f->is_formed ? f->is_formed : is_any, f->form_message, member);
}

bool read_slug(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	return read_formed(r, f, value, is_slug,
	                   "Ce champ ne peut contenir que des lettres, des nombres, des tirets bas et des traits d'union.", member);
}

bool read_email(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	return read_formed(r, f, value, is_email, "Saisissez une adresse e-mail valide.", member);
}

bool read_url(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	return read_formed(r, f, value, is_url, "Saisissez une URL valide.", member);
}

/* The exact value; nothing is trimmed. */
bool read_choice(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	char space[40];
	struct str text = { NULL, 0 };
	bool is_text = scalar_text(value, space, &text);

	if (is_text && !text.len && f->flags & FIELD_BLANK) {
		*(struct str *)member = (struct str){ "", 0 };
		return true;
	}
	for (size_t i = 0; is_text && f->choices[i]; i++) {
		if (str_is(text, f->choices[i])) {
			*(struct str *)member = str_of(f->choices[i]);
			return true;
		}
	}
	return refuse(r, "Ce n'est pas un choix valide.");
}

static bool store_json(struct reading *r, const json_t *value, struct json_text *member)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	if (json_has_nul(value))
		return refuse(r, "Le caractère nul n'est pas autorisé.");
	json_write(&b, value);
	return b.failed ? give_up(r, ERR_NOMEM) : store_text(r, buf_view(&b), &member->text);
}

/* In a form the text is JSON itself. */
bool read_json(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	json_t *parsed CLEANUP(json_decrefp) = NULL;
	struct str text = { json_string_value(value), json_string_length(value) };
	const char *why;
	int error;

	if (!r->in->body->is_form)
		return store_json(r, value, member);
	error = json_read(text, &parsed, &why);
	if (error == ERR_INVALID)
		return refuse(r, "La valeur doit être un JSON valide.");
	if (json_is_null(parsed) && f->flags & FIELD_NULLABLE) {
		*(struct json_text *)member = (struct json_text){ { NULL, 0 } };
		return true;
	}
	if (json_is_null(parsed))
		return refuse(r, "Ce champ ne peut être nul.");
	return error < 0 ? give_up(r, error) : store_json(r, parsed, member);
}
