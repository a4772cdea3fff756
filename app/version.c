#include "app/version.h"

#include <brotli/encode.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <zlib.h>

#include "app/command.h"
#include "base/metrics.h"

static void set(struct version *v, const char *name, const char *number)
{
	v->name = name;
	snprintf(v->number, sizeof(v->number), "%s", number);
}

/* A number such as 150008 or 0x1000009 cut into its parts. */
static void set_parts(struct version *v, const char *name, unsigned a, unsigned b, unsigned c)
{
	v->name = name;
	snprintf(v->number, sizeof(v->number), "%u.%u.%u", a, b, c);
}

void version_list(struct version ret_versions[VERSION_COUNT])
{
	unsigned pq = (unsigned)PQlibVersion(), brotli = BrotliEncoderVersion();
	struct version *v = ret_versions;

	set(v++, "egoejo", EGOEJO_VERSION);
	set(v++, "libmicrohttpd", MHD_get_version());
	set(v++, "sqlite", sqlite3_libversion());
	v->name = "libpq";
	snprintf(v->number, sizeof(v->number), "%u.%u", pq / 10000, pq % 10000);
	v++;
	set_parts(v++, "hiredis", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
	set(v++, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
	set(v++, "jansson", jansson_version_str());
	set(v++, "zlib", zlibVersion());
	set_parts(v++, "brotli", brotli >> 24, (brotli >> 12) & 0xfff, brotli & 0xfff);
}

void version_note(void)
{
	CLEANUP(buf_finish) struct buf labels = BUF_EMPTY;
	struct version versions[VERSION_COUNT];

	version_list(versions);
	for (size_t i = 0; i < VERSION_COUNT; i++)
		buf_addf(&labels, "%s%s=\"%s\"", i ? "," : "", i ? versions[i].name : "version", versions[i].number);
	if (!labels.failed)
		metric_set(metric_series(METRIC_BUILD_INFO, labels.data), 1);
}

int command_version(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	struct version versions[VERSION_COUNT];

	version_list(versions);
	for (size_t i = 0; i < VERSION_COUNT; i++)
		buf_addf(&text, "%s %s\n", versions[i].name, versions[i].number);
	return command_print(&text);
}
