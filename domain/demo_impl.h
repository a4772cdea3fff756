/*
 * The rows of the demonstration data (demo_rows.c), as demo.c writes them. Texts are borrowed, static; NULL is SQL null.
 */
#ifndef DOMAIN_DEMO_IMPL_H
#define DOMAIN_DEMO_IMPL_H

#include <stdbool.h>
#include <stddef.h>

struct demo_community {
	const char *slug, *name, *description;
	int days_ago;
};

struct demo_project {
	const char *titre, *categorie, *description;
	const char *community; /* slug */
	int impact_score, goal_euros, saka_score, saka_supporters, days_ago;
};

struct demo_content {
	const char *slug, *title, *type, *status, *category;
	const char *description, *external_url;
	const char *tags;    /* JSON */
	const char *project; /* titre */
	bool was_published;
	int days_ago;
};

struct demo_cagnotte {
	const char *titre, *description;
	const char *project; /* titre */
	double target;
	double gifts[4]; /* euros; the first 0 ends them */
	int days_ago;
};

struct demo_help_request {
	const char *title, *description, *help_type, *urgency, *status;
	const char *project; /* titre */
	int days_ago;
};

extern const struct demo_community demo_communities[];
extern const struct demo_project demo_projects[];
extern const struct demo_content demo_contents[];
extern const struct demo_cagnotte demo_cagnottes[];
extern const struct demo_help_request demo_help_requests[];
extern const size_t demo_n_communities, demo_n_projects, demo_n_contents, demo_n_cagnottes, demo_n_help_requests;

#endif
