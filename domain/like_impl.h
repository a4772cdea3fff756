/* Patterns for LIKE … ESCAPE '\'. */
#ifndef DOMAIN_LIKE_IMPL_H
#define DOMAIN_LIKE_IMPL_H

#include "base/arena.h"

/* "%text%" with %, _ and \ of the text escaped; .s is NULL without memory. */
struct str like_contains(struct arena *, struct str text);

#endif
