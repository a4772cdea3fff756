/*
 * Bodies of type application/x-www-form-urlencoded. Pure; any thread.
 */
#ifndef API_FORM_IN_H
#define API_FORM_IN_H

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"

#define FORM_MAX_FIELDS 1000

#define FORM_TOO_LONG "Le formulaire contient trop de champs."
#define FORM_NOT_UTF8 "Le formulaire contient un texte qui n'est pas de l'UTF-8 valide."

/*
 * Parses "a=1&a=2&b=": *ret_root is a new reference to an object whose members are arrays of texts, each in the order of
 * the body. ERR_INVALID with a static text for the client in *ret_why: more than FORM_MAX_FIELDS pieces, or not UTF-8
 * once decoded; ERR_NOMEM.
 */
int form_read(struct str bytes, struct arena *, json_t **ret_root, const char **ret_why);

/* Appends a value, which is taken (also on failure), to the array of a name. ERR_NOMEM; NULL for a value is that as well. */
int form_add(json_t *root, struct str name, json_t *value);

#endif
