/*
 * Files under MEDIA_ROOT: storing without overwriting, opening without leaving the folder, removing. content.md 8.
 *
 * A path is relative to MEDIA_ROOT, as a column holds it: "projets/a.png". No component begins with a dot, so neither "..",
 * nor a file that is being written, nor what an administrator hides can be named. Symbolic links are not followed below
 * MEDIA_ROOT (it may be one itself). The folder is opened anew by each call, so it may be mounted later. Any thread.
 *
 * What is full (disk, quota, limit of the file size) is ERR_FULL; anything else that is no fault of the caller, ERR_IO with
 * a text in *err (NULL is fine).
 */
#ifndef BASE_MEDIA_H
#define BASE_MEDIA_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

#define MEDIA_PATH_CHARS 100 /* what a column holds */

enum media_name {
	MEDIA_PLAIN_NAME,  /* its own name; "_" and 7 random characters before the extension only when that is taken */
	MEDIA_SECRET_NAME, /* always "_" and 20 of them: who does not know the path does not find the file */
};

/*
 * Stores bytes in a folder of MEDIA_ROOT, on disk when it returns; *ret_path, in the arena, is where. The name is a
 * component that media_path_is_fine accepts; it is cut, and given random characters, as is needed for a path that is new and
 * has at most MEDIA_PATH_CHARS characters; so is an extension that leaves no room. MEDIA_ROOT and the folder are made (mode
 * 0750) when they are missing. ERR_FULL, ERR_IO, ERR_NOMEM: nothing is left behind.
 */
int media_store(const char *root, const char *folder, struct str name, enum media_name, struct str bytes, struct arena *,
                struct str *ret_path, struct error *err);

/*
 * Stores bytes at a path of one or more folders and a name, on disk when it returns, in the place of a file that is there: who
 * opens it gets the old one or the new one, whole. Folders are made as above. ERR_INVALID: such a path may not be. ERR_FULL, ERR_IO.
 */
int media_replace(const char *root, struct str path, struct str bytes, struct error *err);

/* Removes a stored file; one that is not there is no error. */
int media_remove(const char *root, struct str path, struct error *err);

/* Opens a regular file for reading, the caller closes *ret_fd. ERR_NOT_FOUND: there is none that may be served by that path. */
int media_open(const char *root, struct str path, int *ret_fd, struct error *err);

/* A file without a name, mode 0600, for reading and writing; it is gone when the caller closes *ret_fd. MEDIA_ROOT is made. */
int media_temporary(const char *root, int *ret_fd, struct error *err);

/* Writes all. ERR_FULL, ERR_IO. */
int media_write(int fd, const void *bytes, size_t n, struct error *err);

/* Whether a path may name a file: components that are not empty and do not begin with a dot, no NUL, no control character. */
bool media_path_is_fine(struct str path);

#endif
