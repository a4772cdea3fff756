/* The name of an upload, and its type. What a request makes of it is in test_request_body.c. */
#include "api/upload.h"

#include "base/log.h"
#include "tests/unit/api/fixture.h"

/* ---- names ---- */

static void test_upload__base_names(void **state)
{
	assert_text(upload_base_name(TEXT("a.png")), "a.png");
	assert_text(upload_base_name(TEXT("/etc/passwd")), "passwd");
	assert_text(upload_base_name(TEXT("C:\\dir\\a.png")), "a.png");
	assert_text(upload_base_name(TEXT("a/b\\c/d.png")), "d.png");
	assert_text(upload_base_name(TEXT("../..")), "..");
	assert_text(upload_base_name(TEXT("dir/")), "");
}

static void test_upload__clean_names(void **state)
{
	static const struct {
		const char *sent, *clean;
	} cases[] = {
		{ "rapport annuel.pdf", "rapport_annuel.pdf" },
		{ "  a b  .png ", "a_b__.png" },
		{ "été à Noël.png", "été_à_Noël.png" },
		{ "e\xcc\x81te\xcc\x81.png", "été.png" }, /* composed */
		{ "日本語.pdf", "日本語.pdf" },
		{ "عربي.pdf", "عربي.pdf" },
		{ "A-Z_09.PNG", "A-Z_09.PNG" },
		{ "a'b\"c<d>e&f;g|h*i?j:k.png", "abcdefghijk.png" },
		{ "💥²½.png", "png" },
		{ "a\xc2\xa0z.png", "az.png" }, /* a space that is no space */
		{ "a\xe2\x80\xae"
		  "gnp.exe",
		  "agnp.exe" }, /* right-to-left override */
		{ ".htaccess", "htaccess" },
		{ "...png", "png" },
		{ "a..b...png", "a.b.png" },
		{ "a.png.", "a.png" },
		{ "a.png. . .", "a.png._._" },
		{ "../../etc/passwd", "passwd" },
		{ "..", "" },
		{ ".", "" },
		{ "dir/", "" },
		{ "", "" },
		{ "$%^", "" },
		{ "..\\..\\a.png", "a.png" },
		{ "a.php.png", "a.php.png" },
		{ "%2e%2e%2fa.png", "2e2e2fa.png" },
		{ "-rf.png", "-rf.png" },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		assert_text(upload_clean_name(str_of(cases[i].sent), *state), cases[i].clean);
}

static void test_upload__a_clean_name_is_clean(void **state)
{
	struct str once = upload_clean_name(TEXT(" Œuvre d'art, n° 1 (copie).final..PDF"), *state);

	assert_text(once, "Œuvre_dart_n_1_copie.final.PDF");
	assert_true(str_equal(upload_clean_name(once, *state), once));
}

/* ---- types ---- */

#define PNG  "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
#define JPEG "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xdb"
#define GIF  "GIF89a\1\0\1\0\0\0\0;"
#define WEBP "RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"
#define PDF  "%PDF-1.4\n%%EOF\n"
#define MP3  "ID3\3\0\0\0\0\0\0\xff\xfb\x90\x64\0\0"
#define WAV  "RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0D\xac\0\0\x88X\1\0\2\0\x10\0data\0\0\0\0"
#define OGG  "OggS\0\2\0\0\0\0\0\0\0\0\1\2\3\4\0\0\0\0\1\2\3\4\1\x1e\1vorbis\0\0\0\0\1D\xac\0\0"
#define OPUS "OggS\0\2\0\0\0\0\0\0\0\0\1\2\3\4\0\0\0\0\1\2\3\4\1\x13OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0"
#define FLAC "fLaC\0\0\0\"\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x42\xf0\0\0\0\0"
#define MP4                                  \
	"\0\0\0\x18"                         \
	"ftypmp42\0\0\0\0mp42isom\0\0\0\x08" \
	"free"
#define M4A                                  \
	"\0\0\0\x18"                         \
	"ftypM4A \0\0\0\0M4A mp42\0\0\0\x08" \
	"free"
#define MOV          \
	"\0\0\0\x14" \
	"ftypqt  \0\0\0\0qt  \0\0\0\x08wide"
#define WEBM "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\xf7\x81\1\x42\xf2\x81\4\x42\xf3\x81\x08\x42\x82\x84webm\x42\x87\x81\4\x42\x85\x81\2"
#define MKV  "\x1a\x45\xdf\xa3\xa3\x42\x86\x81\1\x42\xf7\x81\1\x42\xf2\x81\4\x42\xf3\x81\x08\x42\x82\x88matroska\x42\x87\x81\4"
#define AVI  "RIFF\x24\0\0\0AVI LIST\0\0\0\0hdrlavih"
#define HTML "<!DOCTYPE html><html><script>alert(1)</script></html>"
#define SVG  "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"
#define EXE  "MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0@\0\0\0"
#define ELF    \
	"\x7f" \
	"ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0\1\0\0\0"
#define ZIP "PK\3\4\x14\0\0\0\x08\0\0\0!\0"
#define SH  "#!/bin/sh\nrm -rf /\n"
#define PHP "<?php system($_GET['c']); ?>"

static void assert_type_(const char *name, struct str bytes, unsigned accept, bool wanted, const char *file, int line)
{
	bool has = !wanted;

	if (upload_has_type(str_of(name), bytes, accept, &has) == 0 && has == wanted)
		return;
	print_error("%s is %staken for %u\n", name, has ? "" : "not ", accept);
	_fail(file, line);
}
#define assert_taken(name, bytes, accept)   assert_type_(name, TEXT(bytes), accept, true, __FILE__, __LINE__)
#define assert_refused(name, bytes, accept) assert_type_(name, TEXT(bytes), accept, false, __FILE__, __LINE__)

static void test_upload__any_type(void **state)
{
	(void)state;
	assert_taken("note.txt", "bonjour", UPLOAD_ANY);
	assert_taken("sans", "bonjour", UPLOAD_ANY);
	assert_taken("a.png", "<script>", UPLOAD_ANY);
	assert_taken("a.exe", "MZ", UPLOAD_ANY | UPLOAD_IMAGE);
}

static void test_upload__images(void **state)
{
	assert_taken("a.png", PNG, UPLOAD_IMAGE);
	assert_taken("a.PNG", PNG, UPLOAD_IMAGE);
	assert_taken("a.jpg", JPEG, UPLOAD_IMAGE);
	assert_taken("a.jpeg", JPEG, UPLOAD_IMAGE);
	assert_taken("a.gif", GIF, UPLOAD_IMAGE);
	assert_taken("a.webp", WEBP, UPLOAD_IMAGE);
	assert_taken("a.png", PNG, UPLOAD_DOCUMENT);
	assert_refused("a.png", PNG, UPLOAD_PDF | UPLOAD_AUDIO | UPLOAD_VIDEO);
	assert_refused("a.png", PNG, 0);
}

static void test_upload__documents(void **state)
{
	assert_taken("a.pdf", PDF, UPLOAD_DOCUMENT);
	assert_refused("a.pdf", PDF, UPLOAD_IMAGE);
	assert_taken("a.mp3", MP3, UPLOAD_DOCUMENT);
	assert_taken("a.wav", WAV, UPLOAD_AUDIO);
	assert_taken("a.ogg", OGG, UPLOAD_AUDIO);
	assert_taken("a.opus", OPUS, UPLOAD_AUDIO);
	assert_taken("a.flac", FLAC, UPLOAD_AUDIO);
	assert_taken("a.m4a", M4A, UPLOAD_AUDIO);
	assert_taken("a.mp4", MP4, UPLOAD_VIDEO);
	assert_taken("a.mov", MOV, UPLOAD_VIDEO);
	assert_taken("a.webm", WEBM, UPLOAD_VIDEO);
	assert_taken("a.mkv", MKV, UPLOAD_VIDEO);
	assert_taken("a.avi", AVI, UPLOAD_VIDEO);
	assert_refused("a.mp4", MP4, UPLOAD_AUDIO);
}

static void test_upload__short_as_they_may_be(void **state)
{
	assert_taken("a.pdf", "%PDF-", UPLOAD_DOCUMENT);
	assert_taken("a.gif", "GIF8", UPLOAD_IMAGE);
	assert_taken("a.mp3", "ID3\3\0\0\0\x1f\0\0APIC", UPLOAD_DOCUMENT); /* its sound is half a megabyte away */
	assert_refused("a.pdf", "%PDF", UPLOAD_DOCUMENT);
	assert_refused("a.gif", "GIF", UPLOAD_IMAGE);
	assert_refused("a.png", "\x89", UPLOAD_IMAGE);
	assert_refused("a.pdf", " %PDF-1.4", UPLOAD_DOCUMENT);
}

static void test_upload__name_and_content_must_agree(void **state)
{
	assert_refused("a.png", JPEG, UPLOAD_IMAGE);
	assert_refused("a.gif", PNG, UPLOAD_IMAGE);
	assert_refused("a.pdf", PNG, UPLOAD_DOCUMENT);
	assert_refused("a.png", PDF, UPLOAD_DOCUMENT);
	assert_refused("a.mp4", PNG, UPLOAD_DOCUMENT);
	assert_refused("a", PNG, UPLOAD_IMAGE);
	assert_refused("png", PNG, UPLOAD_IMAGE);
	assert_refused("a.png.exe", PNG, UPLOAD_IMAGE);
}

static void test_upload__what_could_run_is_refused(void **state)
{
	static const struct {
		const char *extension;
		struct str bytes;
	} cases[] = { { "html", STR(HTML) }, { "svg", STR(SVG) }, { "exe", STR(EXE) }, { "elf", STR(ELF) },
		      { "zip", STR(ZIP) },   { "sh", STR(SH) },   { "php", STR(PHP) }, { "txt", STR("text") } };
	static const char *const disguises[] = { "png", "jpg", "webp", "gif", "pdf", "mp3", "mp4", "webm", "ogg" };
	char name[40];

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		snprintf(name, sizeof(name), "a.%s", cases[i].extension);
		assert_type_(name, cases[i].bytes, UPLOAD_DOCUMENT, false, __FILE__, __LINE__);
		for (size_t j = 0; j < N_ELEMENTS(disguises); j++) {
			snprintf(name, sizeof(name), "a.%s", disguises[j]);
			assert_type_(name, cases[i].bytes, UPLOAD_DOCUMENT, false, __FILE__, __LINE__);
		}
		snprintf(name, sizeof(name), "a.png.%s", cases[i].extension);
		assert_type_(name, TEXT(PNG), UPLOAD_DOCUMENT, false, __FILE__, __LINE__);
	}
}

/* They are what they begin as, and are served as nothing else. */
static void test_upload__polyglots(void **state)
{
	bool image;

	assert_taken("a.gif", "GIF89a/*\0*/=1;alert(1)//", UPLOAD_IMAGE);
	assert_refused("a.js", "GIF89a/*\0*/=1;alert(1)//", UPLOAD_DOCUMENT);
	assert_refused("a.html", "%PDF-1.4\n" HTML, UPLOAD_DOCUMENT);
	assert_taken("a.pdf", "%PDF-1.4\n" HTML, UPLOAD_DOCUMENT);
	assert_string_equal(upload_served_type(TEXT("x/a.pdf"), &image), "application/pdf");
	assert_false(image);
	assert_string_equal(upload_served_type(TEXT("x/a.gif"), &image), "image/gif");
	assert_true(image);
}

static void test_upload__served_types(void **state)
{
	static const char *const others[] = { "a.html", "a.svg", "a.js", "a", "a.png/b", "png", "a.png.svg", "a.xhtml", "a.txt" };
	bool image;

	for (size_t i = 0; i < N_ELEMENTS(others); i++) {
		assert_string_equal(upload_served_type(str_of(others[i]), &image), "application/octet-stream");
		assert_false(image);
	}
	assert_string_equal(upload_served_type(TEXT("educational_contents/a.MP3"), &image), "audio/mpeg");
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_upload__##name, setup_arena, teardown_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(base_names),
		CASE(any_type),
		CASE(clean_names),
		CASE(a_clean_name_is_clean),
		CASE(images),
		CASE(documents),
		CASE(short_as_they_may_be),
		CASE(name_and_content_must_agree),
		CASE(what_could_run_is_refused),
		CASE(polyglots),
		CASE(served_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
