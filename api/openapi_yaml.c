#include "api/openapi_yaml_impl.h"

#include "api/json_in.h"
#include "base/cleanup.h"

static void write_value(struct buf *b, const json_t *value, int depth);

static void start_line(struct buf *b, int depth)
{
	buf_add_char(b, '\n');
	for (int i = 0; i < depth; i++)
		buf_add_text(b, "  ");
}

/* Letters, digits and "_", beginning with a letter, and none of the words that YAML 1.1 takes for a value. */
static bool is_plain(const char *key)
{
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false", "null" };
	size_t n = 0;

	for (size_t i = 0; i < N_ELEMENTS(words); i++)
		if (str_equal_nocase(str_of(key), str_of(words[i])))
			return false;
	while (str_is_alpha(key[n]) || (n && (str_is_digit(key[n]) || key[n] == '_')))
		n++;
	return n && !key[n];
}

/* A JSON string is a double-quoted YAML scalar. */
static void write_key(struct buf *b, const char *key)
{
	json_t *text = is_plain(key) ? NULL : json_string(key);

	if (text)
		json_write(b, text);
	else
		buf_add_text(b, key);
	json_decref(text);
	buf_add_char(b, ':');
}

static void write_members(struct buf *b, const json_t *object, int depth)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		start_line(b, depth);
		write_key(b, key);
		write_value(b, value, depth + 1);
	}
}

static void write_elements(struct buf *b, const json_t *array, int depth)
{
	size_t i;
	json_t *value;

	json_array_foreach(array, i, value)
	{
		start_line(b, depth);
		buf_add_char(b, '-');
		write_value(b, value, depth + 1);
	}
}

static void write_value(struct buf *b, const json_t *value, int depth)
{
	if (json_object_size(value)) {
		write_members(b, value, depth);
	} else if (json_array_size(value)) {
		write_elements(b, value, depth);
	} else {
		buf_add_char(b, ' ');
		json_write(b, value);
	}
}

void yaml_write(struct buf *b, const json_t *root)
{
	size_t begin = b->len;

	write_value(b, root, 0);
	if (!b->failed && b->len > begin && b->data[begin] == '\n') {
		memmove(b->data + begin, b->data + begin + 1, b->len - begin);
		b->len--;
	}
	buf_add_char(b, '\n');
}
