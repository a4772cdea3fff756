/*
 * The version of the program and of the libraries that it runs with. Any thread.
 */
#ifndef APP_VERSION_H
#define APP_VERSION_H

/* One component: as loaded at run time where the library can tell, else as built against. */
struct version {
	const char *name;
	char number[48];
};

#define VERSION_COUNT 9

/* The program first, then its libraries. */
void version_list(struct version ret_versions[VERSION_COUNT]);

/* Shows them on /metrics (egoejo_build_info). */
void version_note(void);

#endif
