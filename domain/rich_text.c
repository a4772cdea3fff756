/*
 * Design: gumbo_parse cannot fail, so it cannot be told that memory has run out: a short text makes a huge tree (every <p>
 * opens all unclosed formatting elements again). So everything it allocates comes from an arena of its own with a limit,
 * and when that is exhausted the allocator leaves the parser by longjmp; nothing is lost by that, because the arena is
 * freed as a whole. For the same reason gumbo_destroy_output, which recurses as deep as the tree, is never called.
 *
 * The tree is walked by parent and index, without recursion.
 */
#include "domain/rich_text.h"

#include <gumbo.h>
#include <setjmp.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "domain/sanitize.h"

#define TREE_LIMIT_BYTES (16 * 1024 * 1024)

/* ---- the tree ---- */

struct parsing {
	struct arena arena;
	jmp_buf out_of_memory;
};

static void *allocate(void *userdata, size_t n)
{
	struct parsing *p = userdata;
	void *memory = arena_alloc(&p->arena, n);

	if (!memory)
		longjmp(p->out_of_memory, 1);
	return memory;
}

static void deallocate(void *userdata, void *memory)
{
	(void)userdata;
	(void)memory;
}

/* The tree of a text, in the arena; NULL when it takes too much memory. */
static const GumboNode *parse(struct parsing *p, struct str html)
{
	GumboOptions options = kGumboDefaultOptions;

	options.allocator = allocate;
	options.deallocator = deallocate;
	options.userdata = p;
	options.max_errors = 0;
	options.fragment_context = GUMBO_TAG_DIV;
	if (setjmp(p->out_of_memory))
		return NULL;
	return gumbo_parse_with_options(&options, html.s, html.len)->root;
}

/* ---- the list ---- */

/* The name under which an element stays; NULL: only its text does. */
static const char *allowed(const GumboNode *node)
{
	static const GumboTag tags[] = {
		GUMBO_TAG_P,  GUMBO_TAG_BR, GUMBO_TAG_STRONG, GUMBO_TAG_EM,         GUMBO_TAG_U,    GUMBO_TAG_A,
		GUMBO_TAG_UL, GUMBO_TAG_OL, GUMBO_TAG_LI,     GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_CODE, GUMBO_TAG_PRE
	};

	if (node->type != GUMBO_NODE_ELEMENT || node->v.element.tag_namespace != GUMBO_NAMESPACE_HTML)
		return NULL;
	for (size_t i = 0; i < N_ELEMENTS(tags); i++)
		if (node->v.element.tag == tags[i])
			return gumbo_normalized_tagname(tags[i]);
	return NULL;
}

/* A link stays only when it begins with a scheme of the list, as it is: browsers drop white space and control characters within. */
static bool link_stays(const char *url)
{
	static const char *const schemes[] = { "http://", "https://", "mailto:" };

	for (const char *c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	for (size_t i = 0; i < N_ELEMENTS(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (strlen(url) > n && str_equal_nocase((struct str){ url, n }, str_of(schemes[i])))
			return true;
	}
	return false;
}

/* ---- writing ---- */

static void add_attribute(struct buf *b, const GumboElement *element, const char *name)
{
	const GumboAttribute *attribute = gumbo_get_attribute(&element->attributes, name);

	if (!attribute || (strcmp(name, "href") == 0 && !link_stays(attribute->value)))
		return;
	buf_addf(b, " %s=\"", name);
	sanitize_add(b, str_of(attribute->value), SANITIZE_LINE);
	buf_add_char(b, '"');
}

static void open_element(struct buf *b, const GumboNode *node)
{
	const char *name = allowed(node);

	if (!name)
		return;
	buf_addf(b, "<%s", name);
	if (node->v.element.tag == GUMBO_TAG_A) {
		add_attribute(b, &node->v.element, "href");
		add_attribute(b, &node->v.element, "title");
	}
	buf_add_char(b, '>');
}

static void close_element(struct buf *b, const GumboNode *node)
{
	const char *name = allowed(node);

	if (name && node->v.element.tag != GUMBO_TAG_BR)
		buf_addf(b, "</%s>", name);
}

static void add_text(struct buf *b, const GumboNode *node)
{
	if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA)
		sanitize_add(b, str_of(node->v.text.text), SANITIZE_TEXT);
}

static const GumboVector *children_of(const GumboNode *node)
{
	return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE ? &node->v.element.children : NULL;
}

/* The node after this one, its children done: the next sibling, or that of the nearest parent that has one. NULL: the end. */
static const GumboNode *next_after(struct buf *b, const GumboNode *root, const GumboNode *node, int *depth)
{
	while (node != root) {
		const GumboVector *siblings = children_of(node->parent);

		if (node->index_within_parent + 1 < siblings->length)
			return siblings->data[node->index_within_parent + 1];
		node = node->parent;
		close_element(b, node);
		--*depth;
	}
	return NULL;
}

static int write_tree(struct buf *b, const GumboNode *root)
{
	const GumboNode *node = root;
	int depth = 0;

	while (node) {
		const GumboVector *children = children_of(node);

		open_element(b, node);
		add_text(b, node);
		if (children && children->length) {
			if (++depth > RICH_TEXT_MAX_DEPTH)
				return ERR_LIMIT;
			node = children->data[0];
			continue;
		}
		close_element(b, node);
		node = next_after(b, root, node, &depth);
	}
	return b->failed ? ERR_NOMEM : 0;
}

int rich_text_clean(struct arena *arena, struct str html, struct str *ret_html)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct parsing parsing;
	struct str result;
	const GumboNode *root;
	int r;

	if (html.len > RICH_TEXT_MAX_BYTES)
		return ERR_LIMIT;
	if (!str_valid_utf8(html))
		return ERR_INVALID;
	arena_init(&parsing.arena, TREE_LIMIT_BYTES);
	root = parse(&parsing, html);
	r = root ? write_tree(&b, root) : ERR_LIMIT;
	arena_finish(&parsing.arena);
	if (r < 0)
		return r;
	result = arena_str(arena, b.len ? buf_view(&b) : (struct str)STR(""));
	if (!result.s)
		return ERR_NOMEM;
	*ret_html = result;
	return 0;
}
