/*
 * Everything goes by descriptors, from MEDIA_ROOT down: openat2 resolves beneath a folder and refuses links by itself;
 * where the kernel, or a filter of system calls, does not have it, the components are opened one by one.
 *
 * A file is written under a hidden name in its folder and then linked to its own: link fails where rename would
 * overwrite, which is for media_replace, and nobody sees half a file. A crash between the two leaves a hidden file, which
 * is never served.
 */
#include "base/media.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/random.h"

#define FOLDER_MODE     0750
#define FILE_MODE       0640
#define SUFFIX_CHARS    7
#define SECRET_CHARS    20  /* 119 bits */
#define MAX_TRIES       100 /* of names; 62^7 of them make the second collision a curiosity */
#define EXTENSION_CHARS 20  /* with its dot; what is longer is none */

/* The error of the system call that has just failed. */
static int failed(struct error *err, const char *what)
{
	int cause = errno;
	bool full = cause == ENOSPC || cause == EDQUOT || cause == EFBIG;

	return error_set(err, full ? ERR_FULL : ERR_IO, "%s: %s", what, strerror(cause));
}

/* ---- opening ---- */

bool media_path_is_fine(struct str path)
{
	bool begins = true;

	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.s[i];

		if (c < 0x20 || c == 0x7f || (begins && (c == '/' || c == '.')))
			return false;
		begins = c == '/';
	}
	return path.len > 0 && path.len < PATH_MAX && !begins;
}

/* MEDIA_ROOT as a descriptor; negative with errno. */
static int open_root(const char *root)
{
	return open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The same; made when it is missing. */
static int make_root(const char *root)
{
	int fd = open_root(root);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdir(root, FOLDER_MODE) < 0 && errno != EEXIST)
		return -1;
	return open_root(root);
}

/* Component by component; path has been checked, and is taken apart. */
static int walk(int root, char *path, int flags)
{
	int at CLEANUP(cleanup_close) = dup(root);
	char *slash;

	for (; at >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		int next;

		*slash = '\0';
		next = openat(at, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(at);
		at = next;
	}
	return at < 0 ? -1 : openat(at, path, flags | O_NOFOLLOW);
}

/* Opens beneath the root, following no link; negative with errno. */
static int open_beneath(int root, struct str path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC),
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	char text[PATH_MAX];
	long fd = -1;

	if (!media_path_is_fine(path)) {
		errno = ENOENT;
		return -1;
	}
	memcpy(text, path.s, path.len);
	text[path.len] = '\0';
	if (!fault_due(FAULT_OPENAT2))
		fd = syscall(SYS_openat2, root, text, &how, sizeof(how));
	else
		errno = ENOSYS;
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return (int)fd;
	return walk(root, text, flags | O_CLOEXEC);
}

/* What a path that leads nowhere makes of open. */
static bool is_absence(int cause)
{
	return cause == ENOENT || cause == ENOTDIR || cause == ELOOP || cause == EXDEV || cause == ENAMETOOLONG || cause == EACCES ||
	       cause == ENXIO || cause == ENODEV || cause == EISDIR;
}

int media_open(const char *root, struct str path, int *ret_fd, struct error *err)
{
	int at CLEANUP(cleanup_close) = open_root(root);
	int fd CLEANUP(cleanup_close) = at < 0 ? -1 : open_beneath(at, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return is_absence(errno) ? ERR_NOT_FOUND : failed(err, "MEDIA_ROOT");
	if (fstat(fd, &st) < 0)
		return failed(err, "MEDIA_ROOT");
	if (!S_ISREG(st.st_mode))
		return ERR_NOT_FOUND;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* ---- writing ---- */

int media_write(int fd, const void *bytes, size_t n, struct error *err)
{
	const char *p = bytes;

	while (n) {
		ssize_t written = fault_due(FAULT_DISK) ? (errno = ENOSPC, -1) : write(fd, p, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return failed(err, "MEDIA_ROOT, writing");
		p += written;
		n -= (size_t)written;
	}
	return 0;
}

int media_temporary(const char *root, int *ret_fd, struct error *err)
{
	int at CLEANUP(cleanup_close) = make_root(root);
	int fd = at < 0 ? -1 : openat(at, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char name[32] = ".spool-";

	if (at >= 0 && fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR) && random_letters(name + 7, 16) == 0) {
		fd = openat(at, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			unlinkat(at, name, 0);
	}
	if (fd < 0)
		return failed(err, "MEDIA_ROOT");
	*ret_fd = fd;
	return 0;
}

/* Makes one folder; what it is in has been made. Negative with errno. */
static int make_one_folder(int root, const char *folder)
{
	int above;

	if (mkdirat(root, folder, FOLDER_MODE) < 0)
		return errno == EEXIST ? 0 : -1;
	above = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above >= 0) {
		fsync(above);
		close(above);
	}
	return 0;
}

/* The folder, made when it is missing, with those that it is in; negative with errno. */
static int make_folder(int root, const char *folder)
{
	int fd = open_beneath(root, str_of(folder), O_RDONLY | O_DIRECTORY), at CLEANUP(cleanup_close) = -1;
	const char *slash = strrchr(folder, '/');
	char above[PATH_MAX];

	if (fd >= 0 || errno != ENOENT || !media_path_is_fine(str_of(folder)))
		return fd;
	snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - folder) : 0, folder);
	at = slash ? make_folder(root, above) : dup(root);
	if (at < 0 || make_one_folder(at, slash ? slash + 1 : folder) < 0)
		return -1;
	return open_beneath(root, str_of(folder), O_RDONLY | O_DIRECTORY);
}

/* The longest beginning of valid UTF-8 with at most so many characters and bytes. */
static size_t cut(struct str s, size_t max_chars, size_t max_bytes)
{
	size_t end = 0, chars = 0;

	for (size_t i = 0; i <= s.len; i++) {
		if (i < s.len && ((unsigned char)s.s[i] & 0xc0) == 0x80)
			continue;
		if (i > max_bytes || (i > 0 && ++chars > max_chars))
			break;
		end = i;
	}
	return end;
}

/* The name that a try is made with; "" when folder and extension leave no room for one. */
static void make_candidate(const char *folder, struct str name, const char *suffix, char ret_name[NAME_MAX + 1])
{
	const char *dot = memrchr(name.s, '.', name.len);
	bool extended = dot && dot > name.s && name.s + name.len - dot <= EXTENSION_CHARS;
	struct str root = { name.s, extended ? (size_t)(dot - name.s) : name.len };
	struct str extension = { name.s + root.len, name.len - root.len };
	size_t chars = strlen(folder) + 1 + str_count_chars(extension) + strlen(suffix);
	size_t bytes = extension.len + strlen(suffix);

	ret_name[0] = '\0';
	if (chars >= MEDIA_PATH_CHARS || bytes >= NAME_MAX)
		return;
	root.len = cut(root, MEDIA_PATH_CHARS - chars, NAME_MAX - bytes);
	snprintf(ret_name, NAME_MAX + 1, "%.*s%s%.*s", STR_ARG(root), suffix, STR_ARG(extension));
}

/* What a file is to be called. */
struct naming {
	const char *folder;
	struct str name;
	enum media_name how;
};

/* "_" and random characters, or nothing for the first try of a plain name. */
static int make_suffix(const struct naming *n, int tries, char ret_suffix[SECRET_CHARS + 2])
{
	bool secret = n->how == MEDIA_SECRET_NAME;

	ret_suffix[0] = secret || tries ? '_' : '\0';
	return secret || tries ? random_letters(ret_suffix + 1, secret ? SECRET_CHARS : SUFFIX_CHARS) : 0;
}

/* Gives the temporary file a name that is free. */
static int link_free(int at, const char *temporary, const struct naming *n, char ret_name[NAME_MAX + 1], struct error *err)
{
	char suffix[SECRET_CHARS + 2];

	for (int i = 0; i < MAX_TRIES && make_suffix(n, i, suffix) == 0; i++) {
		make_candidate(n->folder, n->name, suffix, ret_name);
		if (!media_path_is_fine(str_of(ret_name)) || strchr(ret_name, '/'))
			return error_set(err, ERR_INVALID, "no name for a file of %s", n->folder);
		if (linkat(at, temporary, at, ret_name, 0) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return failed(err, n->folder);
}

static int write_temporary(int at, const char *temporary, struct str bytes, struct error *err)
{
	int fd CLEANUP(cleanup_close) = openat(at, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	int r;

	if (fd < 0)
		return failed(err, "MEDIA_ROOT");
	r = media_write(fd, bytes.s, bytes.len, err);
	return r == 0 && fsync(fd) < 0 ? failed(err, "MEDIA_ROOT, fsync") : r;
}

/* In the open folder: written, named, and both on disk. */
static int store_in(int at, const struct naming *n, struct str bytes, char ret_name[NAME_MAX + 1], struct error *err)
{
	char temporary[40] = ".upload-";
	int r;

	if (random_letters(temporary + 8, 20) < 0)
		return failed(err, "getrandom");
	r = write_temporary(at, temporary, bytes, err);
	if (r == 0)
		r = link_free(at, temporary, n, ret_name, err);
	unlinkat(at, temporary, 0);
	if (r == 0 && fsync(at) < 0) {
		r = failed(err, "MEDIA_ROOT, fsync");
		unlinkat(at, ret_name, 0);
	}
	return r;
}

int media_store(const char *root, const char *folder, struct str name, enum media_name how, struct str bytes, struct arena *a,
                struct str *ret_path, struct error *err)
{
	const struct naming naming = { folder, name, how };
	int above CLEANUP(cleanup_close) = make_root(root);
	int at CLEANUP(cleanup_close) = above < 0 ? -1 : make_folder(above, folder);
	char stored[NAME_MAX + 1];
	char *path;
	int r;

	if (at < 0)
		return failed(err, "MEDIA_ROOT");
	r = store_in(at, &naming, bytes, stored, err);
	if (r < 0)
		return r;
	path = arena_printf(a, "%s/%s", folder, stored);
	if (!path) {
		unlinkat(at, stored, 0);
		return error_set(err, ERR_NOMEM, "out of memory");
	}
	*ret_path = str_of(path);
	return 0;
}

/* In the open folder: written, renamed over what is there, and both on disk. */
static int replace_in(int at, const char *name, struct str bytes, struct error *err)
{
	char temporary[40] = ".upload-";
	int r;

	if (random_letters(temporary + 8, 20) < 0)
		return failed(err, "getrandom");
	r = write_temporary(at, temporary, bytes, err);
	if (r == 0 && renameat(at, temporary, at, name) < 0)
		r = failed(err, "MEDIA_ROOT, renaming");
	if (r < 0)
		unlinkat(at, temporary, 0);
	return r == 0 && fsync(at) < 0 ? failed(err, "MEDIA_ROOT, fsync") : r;
}

int media_replace(const char *root, struct str path, struct str bytes, struct error *err)
{
	const char *slash = path.s ? memrchr(path.s, '/', path.len) : NULL;
	int above CLEANUP(cleanup_close) = -1;
	int at CLEANUP(cleanup_close) = -1;
	char folder[PATH_MAX], name[NAME_MAX + 1];

	if (!slash || !media_path_is_fine(path) || path.len - (size_t)(slash + 1 - path.s) > NAME_MAX)
		return error_set(err, ERR_INVALID, "no path of a file");
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path.s), path.s);
	snprintf(name, sizeof(name), "%.*s", (int)(path.len - (size_t)(slash + 1 - path.s)), slash + 1);
	above = make_root(root);
	at = above < 0 ? -1 : make_folder(above, folder);
	return at < 0 ? failed(err, "MEDIA_ROOT") : replace_in(at, name, bytes, err);
}

/* ---- removing ---- */

int media_remove(const char *root, struct str path, struct error *err)
{
	int above CLEANUP(cleanup_close) = open_root(root);
	int at CLEANUP(cleanup_close) = -1;
	char text[PATH_MAX];
	char *slash;

	if (above < 0)
		return errno == ENOENT ? 0 : failed(err, "MEDIA_ROOT");
	if (!path.s || !media_path_is_fine(path))
		return 0;
	memcpy(text, path.s, path.len);
	text[path.len] = '\0';
	slash = strrchr(text, '/');
	at = slash ? open_beneath(above, (struct str){ text, (size_t)(slash - text) }, O_RDONLY | O_DIRECTORY) : dup(above);
	if (at >= 0 && unlinkat(at, slash ? slash + 1 : text, 0) == 0)
		return 0;
	return is_absence(errno) ? 0 : failed(err, "MEDIA_ROOT, removing");
}
