/* A folder of files, and the settings that name it, for tests of jobs that work on them. */
#ifndef TESTS_UNIT_TASKS_FILES_H
#define TESTS_UNIT_TASKS_FILES_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/domain/messages.h"
#include "tests/unit/tasks/runs.h"

static char media[64];
static struct settings file_settings;
static const struct task_services file_services = { .settings = &file_settings };

static inline void make_media(void)
{
	test_folder_make(media);
	file_settings = (struct settings){ .media_root = media };
}

static inline const char *media_path(const char *path)
{
	static char full[200];

	snprintf(full, sizeof(full), "%s/%s", media, path);
	return full;
}

static inline void store(const char *path, struct str bytes)
{
	int fd = open(media_path(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.s, bytes.len), (ssize_t)bytes.len);
	close(fd);
}

static inline bool is_stored(const char *path)
{
	return access(media_path(path), F_OK) == 0;
}

static inline void add_content(struct fixture *f, int id, const char *file)
{
	char sql[700];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_educationalcontent (id, title, slug, type, status, description, external_url, file, created_at, "
	         "updated_at, anonymous_display_name, category, tags, audio_source_hash, embedding_source_hash) VALUES (%d, 't', 's%d', "
	         "'pdf', 'pending', '', '', '%s', '2026-01-01 00:00:00', '2026-01-01 00:00:00', '', 'autres', '[]', '', '')",
	         id, id, file);
	write_rows(f, sql);
}

static inline int64_t count(struct fixture *f, const char *sql)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}
#define COUNT(sql) count(f, "SELECT COUNT(*) FROM " sql)

/* Executes, and gives the result; it lives in the arena. */
static inline struct str result_of(struct fixture *f, const char *name, const char *args, int id, int retries)
{
	struct task_run run = run_of(f, &file_services, name, args, id);
	struct str result;

	run.retries = retries;
	if (task_execute(&run) != TASK_SUCCEEDED)
		fail_msg("%s: %s", run.error.type, run.error.message);
	result = arena_str(&f->arena, buf_view(&run.result));
	run_done(&run);
	return result;
}

#endif
