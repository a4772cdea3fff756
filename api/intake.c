#include "api/intake.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/media.h"

static atomic_int files; /* open at present */

static int make_room(struct intake *in, struct arena *a, size_t n)
{
	size_t need = in->len + n;
	size_t cap = in->cap ? in->cap * 2 : INTAKE_MEMORY_BYTES;
	char *wider;

	if (need <= in->cap)
		return 0;
	if (in->expected && cap > in->expected)
		cap = in->expected;
	if (cap < need)
		cap = need;
	wider = arena_alloc(a, cap);
	if (!wider)
		return ERR_NOMEM;
	if (in->len)
		memcpy(wider, in->bytes, in->len);
	in->bytes = wider;
	in->cap = cap;
	return 0;
}

/* Goes on in a file, with what has come so far. */
static int move_to_file(struct intake *in, struct error *err)
{
	int r = ERR_LIMIT;

	if (atomic_fetch_add(&files, 1) < INTAKE_MAX_FILES)
		r = media_temporary(in->media_root, &in->file, err);
	else
		error_set(err, ERR_LIMIT, "%d uploads are coming in already", INTAKE_MAX_FILES);
	if (r < 0) {
		atomic_fetch_sub(&files, 1);
		return r;
	}
	in->in_file = true;
	return in->len ? media_write(in->file, in->bytes, in->len, err) : 0;
}

static int add_to_memory(struct intake *in, struct arena *a, const void *bytes, size_t n)
{
	int r = make_room(in, a, n);

	if (r == 0)
		memcpy(in->bytes + in->len, bytes, n);
	return r;
}

int intake_add(struct intake *in, struct arena *a, const void *bytes, size_t n, struct error *err)
{
	int r = 0;

	if (!in->in_file && in->media_root && in->len + n > INTAKE_MEMORY_BYTES)
		r = move_to_file(in, err);
	if (r == 0)
		r = in->in_file ? media_write(in->file, bytes, n, err) : add_to_memory(in, a, bytes, n);
	if (r == 0)
		in->len += n;
	return r;
}

/* Nobody else knows the file, so nobody cuts it while it is mapped. */
int intake_view(struct intake *in, struct str *ret_body, struct error *err)
{
	if (in->in_file && !in->map) {
		void *map = mmap(NULL, in->len, PROT_READ, MAP_PRIVATE, in->file, 0);

		if (map == MAP_FAILED)
			return error_set(err, ERR_IO, "mmap: %s", strerror(errno));
		in->map = map;
	}
	*ret_body = (struct str){ in->in_file ? in->map : in->len ? in->bytes : "", in->len };
	return 0;
}

void intake_finish(struct intake *in)
{
	if (in->map)
		munmap(in->map, in->len);
	if (in->in_file) {
		close(in->file);
		atomic_fetch_sub(&files, 1);
	}
	*in = (struct intake){ NULL };
}
