/* The files of Swagger UI that docs_files.S puts into the program. */
#include "api/docs_impl.h"

extern const char swagger_script[], swagger_script_end[], swagger_style[], swagger_style_end[], swagger_license[], swagger_license_end[];

static struct str between(const char *begin, const char *end)
{
	return (struct str){ begin, (size_t)(end - begin) };
}

struct str docs_embedded(enum docs_file file)
{
	switch (file) {
	case DOCS_SCRIPT:
		return between(swagger_script, swagger_script_end);
	case DOCS_STYLE:
		return between(swagger_style, swagger_style_end);
	case DOCS_LICENSE:
		return between(swagger_license, swagger_license_end);
	default:
		return (struct str){ NULL, 0 };
	}
}
