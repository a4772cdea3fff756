/* egoejo settings, egoejo routes and egoejo openapi: tables of the program, printed. */
#include "api/openapi.h"
#include "api/route.h"
#include "app/command.h"

int command_settings(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	struct settings *settings = NULL;
	struct error err = { 0 };

	if (arguments->given & OPTION_MARKDOWN) {
		settings_print_markdown(&text);
		return command_print(&text);
	}
	if (command_load_settings(&settings, &err) < 0)
		return command_fail(&err);
	settings_print(settings, &text);
	settings_destroy(settings);
	return command_print(&text);
}

int command_routes(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

	routes_init();
	routes_print(&text);
	return command_print(&text);
}

int command_openapi(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	bool as_yaml = arguments->given & OPTION_YAML;

	routes_init();
	if (!openapi_write(&text, as_yaml))
		text.failed = true;
	else if (!as_yaml)
		buf_add_char(&text, '\n');
	return command_print(&text);
}
