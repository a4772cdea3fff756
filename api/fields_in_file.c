/* The reader of the kind FILE: projects.md 0, content.md 8. It judges; storing comes when the whole body is fine (upload.c). */
#include "api/fields_in_impl.h"
#include "api/upload.h"

static const char *accepted_text(unsigned accept)
{
	return accept == UPLOAD_IMAGE ? "une image PNG, JPEG, GIF ou WebP"
	                              : "un PDF, une image (PNG, JPEG, GIF, WebP), un son ou une vidéo";
}

static bool has_fine_name(struct reading *r, const struct field *f, const struct upload *upload, struct str clean)
{
	size_t chars = str_count_chars(upload_base_name(upload->filename));
	size_t most = f->max_chars ? f->max_chars : UPLOAD_NAME_CHARS;

	if (!clean.s)
		return give_up(r, ERR_NOMEM);
	if (!clean.len)
		return refuse(r, "Le nom du fichier n'est pas valide.");
	if (chars > most)
		return refuse(r, "Assurez-vous que le nom de fichier comporte au plus %zu caractères (il en comporte %zu).", most, chars);
	return true;
}

static bool has_fine_content(struct reading *r, const struct field *f, const struct upload *upload, struct str clean)
{
	int64_t most = r->in->max_upload_bytes;
	bool has = false;
	int error;

	if (!upload->bytes.len)
		return refuse(r, "Le fichier soumis est vide.");
	if (most && upload->bytes.len > (size_t)most)
		return refuse(r, "Ce fichier est trop volumineux : %lld octets au plus.", (long long)most);
	error = upload_has_type(clean, upload->bytes, f->accept, &has);
	if (error < 0)
		return give_up(r, error);
	return has || refuse(r, "Type de fichier refusé : nom et contenu doivent être ceux d'un même type, accepté ici (%s).",
	                     accepted_text(f->accept));
}

bool read_file(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	struct upload *upload = body_upload(r->in->body, value);
	struct str clean;

	if (!upload)
		return refuse(r, "La donnée envoyée n'est pas un fichier.");
	clean = upload_clean_name(upload->filename, r->in->arena);
	return has_fine_name(r, f, upload, clean) && has_fine_content(r, f, upload, clean) &&
	       store_text(r, upload->filename, member); /* until it is stored */
}
