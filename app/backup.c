/*
 * egoejo backup-db: the copy gets its name when it is whole and on the disk, and only a name that nothing has; older copies go then. What
 * is interrupted leaves a hidden file that ends in .part, which is no copy and which nobody counts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/command.h"
#include "base/clock.h"
#include "db/backup.h"

#define DEFAULT_FOLDER "backups"
#define DEFAULT_KEEP   7
#define KEEP_MAX       1000000
#define TELL_US        (2 * US_PER_S)
#define PATH_SIZE      4096
#define ARENA_BYTES    ((size_t)64 << 20)

struct backing {
	const char *folder;
	int64_t keep;
	struct db *db;
	struct db_conn *conn;
	char part[PATH_SIZE], path[PATH_SIZE];
	int64_t tell_at_us;
	struct arena arena;
	struct buf out;
};

/* ---- names ---- */

static int make_folder(const struct backing *b, struct error *err)
{
	if (mkdir(b->folder, 0700) < 0 && errno != EEXIST)
		return error_set(err, ERR_IO, "%s: %m", b->folder);
	return 0;
}

/* Of /srv/egoejo.sqlite3: egoejo. */
static struct str base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct str name = str_of(slash ? slash + 1 : path);
	const char *dot = strrchr(name.s, '.');

	if (dot && dot > name.s)
		name.len = (size_t)(dot - name.s);
	return name;
}

static int make_names(struct backing *b, struct error *err)
{
	struct str base = base_name(db_file(b->db));
	time_t now = (time_t)(clock_now().us / US_PER_S);
	char stamp[20] = "";
	struct tm tm;
	int n;

	if (gmtime_r(&now, &tm))
		strftime(stamp, sizeof(stamp), "%Y%m%d_%H%M%S", &tm);
	n = snprintf(b->path, sizeof(b->path), "%s/%.*s_%s.sqlite3", b->folder, STR_ARG(base), stamp);
	snprintf(b->part, sizeof(b->part), "%s/.%.*s_%s-%ld.part", b->folder, STR_ARG(base), stamp, (long)getpid());
	if (n < 0 || (size_t)n + 20 > sizeof(b->path))
		return error_set(err, ERR_LIMIT, "%.100s…: the name is too long", b->folder);
	return access(b->path, F_OK) == 0 ? error_set(err, ERR_CONFLICT, "%s is there already", b->path) : 0;
}

/* ---- the copy ---- */

static void tell(void *arg, int64_t done, int64_t pages)
{
	struct backing *b = arg;

	if (clock_monotonic_us() < b->tell_at_us || !pages)
		return;
	b->tell_at_us = clock_monotonic_us() + TELL_US;
	fprintf(stderr, "egoejo: %lld %% of %lld pages\n", (long long)(done * 100 / pages), (long long)pages);
}

/* For the owner alone: it holds password hashes. */
static int make_part(const struct backing *b, struct error *err)
{
	CLEANUP(cleanup_close) int fd = open(b->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? error_set(err, ERR_IO, "%s: %m", b->part) : 0;
}

/* Where the file system cannot refuse to replace (some of the network), a second name does, which is refused everywhere. */
static int rename_anew(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return link(from, to) == 0 ? unlink(from) : -1;
}

static int give_name(const struct backing *b, struct error *err)
{
	CLEANUP(cleanup_close) int folder = -1;

	if (rename_anew(b->part, b->path) < 0)
		return error_set(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "%s: %m", b->path);
	folder = open(b->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 || fsync(folder) < 0 ? error_set(err, ERR_IO, "%s: %m", b->folder) : 0;
}

static int copy(struct backing *b, struct error *err)
{
	const struct db_backup backup = { .path = b->part, .progress = tell, .arg = b };
	int r = make_part(b, err);

	if (r < 0)
		return r;
	b->tell_at_us = clock_monotonic_us() + TELL_US;
	r = db_backup(b->conn, &backup, err);
	if (r == 0)
		r = give_name(b, err);
	if (r < 0)
		unlink(b->part);
	else
		buf_addf(&b->out, "%s\n", b->path);
	return r;
}

/* ---- older ones ---- */

struct old {
	const char *name;
	struct timespec at;
};

static bool is_copy(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && ((n > 8 && strcmp(name + n - 8, ".sqlite3") == 0) || (n > 4 && strcmp(name + n - 4, ".sql") == 0));
}

static int newest_first(const void *a, const void *b)
{
	const struct old *x = a, *y = b;

	if (x->at.tv_sec != y->at.tv_sec)
		return x->at.tv_sec < y->at.tv_sec ? 1 : -1;
	if (x->at.tv_nsec != y->at.tv_nsec)
		return x->at.tv_nsec < y->at.tv_nsec ? 1 : -1;
	return strcmp(y->name, x->name);
}

static int list_copies(struct backing *b, DIR *folder, struct buf *copies)
{
	struct stat database, st;
	struct dirent *entry;

	if (stat(db_file(b->db), &database) < 0)
		return ERR_IO;
	while ((entry = readdir(folder))) {
		struct old old = { .name = arena_strndup(&b->arena, entry->d_name, strlen(entry->d_name)) };

		if (!is_copy(entry->d_name) || fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (st.st_dev == database.st_dev && st.st_ino == database.st_ino)
			continue; /* the folder of the database itself */
		if (!old.name)
			return ERR_NOMEM;
		old.at = st.st_mtim;
		buf_add(copies, &old, sizeof(old));
	}
	return copies->failed ? ERR_NOMEM : 0;
}

static int remove_old(struct backing *b, struct error *err)
{
	CLEANUP(buf_finish) struct buf copies = BUF_EMPTY;
	DIR *folder = opendir(b->folder);
	struct old *olds;
	size_t n;
	int r = folder ? list_copies(b, folder, &copies) : ERR_IO;

	if (r < 0)
		error_set(err, r, "%s: %s", b->folder, error_name(r));
	olds = (struct old *)(void *)copies.data;
	n = r == 0 ? copies.len / sizeof(*olds) : 0;
	if (n)
		qsort(olds, n, sizeof(*olds), newest_first);
	for (size_t i = (size_t)b->keep; i < n && r == 0; i++) {
		if (unlinkat(dirfd(folder), olds[i].name, 0) < 0)
			r = error_set(err, ERR_IO, "%s/%s: %m", b->folder, olds[i].name);
		else
			buf_addf(&b->out, "removed %s/%s\n", b->folder, olds[i].name);
	}
	if (folder)
		closedir(folder);
	return r;
}

/* ---- the command ---- */

static int read_arguments(struct backing *b, const struct arguments *arguments, struct error *err)
{
	b->folder = arguments->output_dir ? arguments->output_dir : DEFAULT_FOLDER;
	b->keep = DEFAULT_KEEP;
	if (arguments->keep && (!str_to_uint(str_of(arguments->keep), &b->keep) || b->keep < 1 || b->keep > KEEP_MAX))
		return error_set(err, ERR_INVALID, "--keep=%.40s: a number from 1 on", arguments->keep);
	return *b->folder ? 0 : error_set(err, ERR_INVALID, "--output-dir= : the name of a folder");
}

static int perform(struct backing *b, struct error *err)
{
	struct settings *settings = NULL;
	int r = command_load_settings(&settings, err);

	if (r == 0)
		r = command_open_database(settings, false, &b->db, err);
	settings_destroy(settings);
	if (r == 0 && !db_file(b->db))
		r = error_set(err, ERR_INVALID, "%s is PostgreSQL: make its copy with pg_dump", db_shown_url(b->db));
	if (r == 0)
		r = db_connect(b->db, &b->conn, err);
	if (r == 0)
		r = make_folder(b, err);
	if (r == 0)
		r = make_names(b, err);
	if (r == 0)
		r = copy(b, err);
	return r == 0 ? remove_old(b, err) : r;
}

int command_backup_db(const struct arguments *arguments)
{
	struct backing b = { .out = BUF_EMPTY };
	struct error err = { 0 };
	int r = read_arguments(&b, arguments, &err), status;

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	arena_init(&b.arena, ARENA_BYTES);
	if (r == 0)
		r = perform(&b, &err);
	status = command_print(&b.out); /* the copy may be there although an older one could not be removed */
	if (r < 0)
		status = command_fail(&err);
	db_disconnect(b.conn);
	db_close(b.db);
	arena_finish(&b.arena);
	buf_finish(&b.out);
	return status;
}
