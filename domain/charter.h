/*
 * The editorial charter: what a content must be to be published. EGOEJO does not speak the language of finance, and never
 * puts a price on SAKA grains. Source: content.md 2, 11.6.
 *
 * Ten criteria, in the order of CHARTER_CRITERIA, judged as if the content were published already. The texts are those of
 * the row, sanitised. Any thread; verdicts live in the arena.
 */
#ifndef DOMAIN_CHARTER_H
#define DOMAIN_CHARTER_H

#include "base/arena.h"
#include "base/error.h"

/* CRITERION(name, severity, message when it fails); CRITICAL: no publication, WARNING: the score, INFO: nothing. */
#define CHARTER_CRITERIA(CRITERION)                                                                                    \
	CRITERION(status_published_only, CRITICAL, "Seuls les contenus publiés sont visibles du public.")              \
	CRITERION(status_workflow_valid, CRITICAL, "Le contenu doit suivre le circuit éditorial.")                     \
	CRITERION(has_source, WARNING, "Le contenu devrait citer une source (lien ou fichier).")                       \
	CRITERION(has_license, INFO, "Le contenu devrait indiquer sa licence.")                                        \
	CRITERION(no_financial_language, CRITICAL, "Le contenu emploie un vocabulaire financier.")                     \
	CRITERION(no_monetary_symbols, CRITICAL, "Le contenu emploie des symboles monétaires.")                        \
	CRITERION(auditlog_exists, WARNING, "Aucune trace d'audit n'accompagne ce contenu.")                           \
	CRITERION(published_by_tracked, WARNING, "La personne qui publie le contenu n'est pas enregistrée.")           \
	CRITERION(no_saka_eur_conversion, CRITICAL, "Le contenu suggère une conversion entre le SAKA et une monnaie.") \
	CRITERION(no_financial_promises, CRITICAL, "Le contenu promet ou garantit un gain.")

enum charter_criterion {
#define CRITERION(name, severity, message) CHARTER_##name,
	CHARTER_CRITERIA(CRITERION)
#undef CRITERION
	        CHARTER_COUNT
};

/* What is judged; all texts borrowed. */
struct charter_subject {
	struct str title, description;
	struct str external_url, file; /* null or empty: none */
	bool audited;                  /* there is an audit entry of it */
	bool published_by_known;
};

/* A place that a pattern was found in. */
struct charter_hit {
	const char *field;   /* "title" or "description"; NULL: both were looked at together */
	const char *pattern; /* as the charter names it */
	struct str snippet;  /* the beginning of the text */
};

struct charter_finding {
	const char *criterion;
	const char *message; /* French */
	bool passed, critical;
	struct charter_hit *hits;
	size_t n_hits;
	bool first_hit_only; /* its answer shows one hit, not a list */
};

struct charter_verdict {
	struct charter_finding findings[CHARTER_COUNT];
	int critical_failures;
	double score; /* 0.0 with a critical failure, else up to 1.0 */
};

/*
 * Judges. 0, whatever the verdict; ERR_NOMEM. No text stalls the thread: patterns take time in proportion to its length, and
 * a pattern that gives up at its limit counts as found.
 */
int charter_judge(struct arena *, const struct charter_subject *, struct charter_verdict *ret_verdict);

/* The financial language of a content alone: the hits of no_financial_language. Errors as charter_judge. */
int charter_financial_language(struct arena *, const struct charter_subject *, struct charter_hit **ret_hits, size_t *ret_n);

#endif
