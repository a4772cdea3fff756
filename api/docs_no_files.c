/* A program without Swagger UI. */
#include "api/docs_impl.h"

struct str docs_embedded(enum docs_file file)
{
	(void)file;
	return (struct str){ NULL, 0 };
}
