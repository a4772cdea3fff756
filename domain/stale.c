#include "domain/stale.h"

#include <inttypes.h>
#include <stdio.h>

/* One line per key; %id stands for the id of the changed row. A list is let go of with all that is made of it (cache_bump). */
static const struct stale_line {
	enum change change;
	const char *key;
	bool is_list;
} stale_lines[] = {
	{ CHANGE_PROJECT, "projets_list", false },        { CHANGE_PROJECT, "oracle_data:project:%id", false },
	{ CHANGE_PROJECT_SCORE, "projets_list", false },  { CHANGE_CONTENT, "educational_contents_published", false },
	{ CHANGE_CONTENT, "educational_contents", true }, { CHANGE_COMMUNITY, "projets_list", false },
};

void stale_after(struct cache *cache, struct redis_budget *budget, enum change change, int64_t id)
{
	char key[128];

	for (size_t i = 0; i < N_ELEMENTS(stale_lines); i++) {
		const char *mark = strstr(stale_lines[i].key, "%id");
		int plain = mark ? (int)(mark - stale_lines[i].key) : -1;

		if (stale_lines[i].change != change)
			continue;
		if (mark)
			snprintf(key, sizeof(key), "%.*s%" PRId64, plain, stale_lines[i].key, id);
		else
			snprintf(key, sizeof(key), "%s", stale_lines[i].key);
		if (stale_lines[i].is_list)
			cache_bump(cache, budget, key);
		else
			safe_cache_delete(cache, budget, key);
	}
}
