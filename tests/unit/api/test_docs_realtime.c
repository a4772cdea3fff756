#include "api/docs_impl.h"
#include "api/openapi.h"
#include "base/fault.h"
#include "tests/unit/api/fixture.h"

static const char document[] =
        "{\"channels\":{\"rooms\":{\"address\":\"/ws/rooms/{id}/\",\"description\":\"Une <salle> & plus\"}},"
        "\"operations\":{\"roomsReceive\":{\"messages\":[{\"$ref\":\"#/channels/rooms/messages/knock\"}]},"
        "\"roomsSend\":{\"messages\":[{\"$ref\":\"#/channels/rooms/messages/told\"},{\"$ref\":\"#/channels/rooms/messages/row\"}]}},"
        "\"components\":{\"messages\":{"
        "\"knock\":{\"summary\":\"On frappe.\",\"payload\":{\"properties\":{\"type\":{\"const\":\"knock\"},\"x\":{\"description\":\"a < "
        "b\"}}}},"
        "\"told\":{\"summary\":\"Dit.\",\"payload\":{\"properties\":{\"type\":{\"const\":\"told\"},"
        "\"payload\":{\"properties\":{\"n\":{\"type\":\"integer\",\"description\":\"combien\"}}}}}},"
        "\"row\":{\"summary\":\"Rangée.\",\"payload\":{\"properties\":{\"payload\":{\"$ref\":\"/api/schema/#/components/schemas/"
        "Row\"}}}}}},"
        "\"x-closes\":[{\"code\":4404,\"reason\":\"gone\",\"meaning\":\"Partie.\"}],"
        "\"x-limits\":[{\"setting\":\"ROOMS_MAX\",\"value\":3,\"meaning\":\"salles\"}]}";

static int setup(void **state)
{
	*state = json_loads(document, 0, NULL);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	json_decref(*state);
	fault_disarm_all();
	return 0;
}

static void test_docs_realtime__shows_what_the_document_has(void **state)
{
	static const char *const parts[] = {
		"<h2><code>/ws/rooms/{id}/</code></h2>\n<p>Une &lt;salle> &amp; plus</p>",
		"<h3>Du client</h3>\n<table>\n<tr><td><code>{\"type\": \"knock\", \"x\": …}</code></td><td>On frappe.",
		"<td>On frappe.<br><code>x</code> : a &lt; b</td>",
		"<code>{\"type\": \"told\", \"payload\": {\"n\": integer}}</code></td><td>Dit.<br><code>n</code> : combien</td>",
		"<code>{\"payload\": Row}</code>",
		"<tr><td>4404</td><td><code>gone</code></td><td>Partie.</td></tr>",
		"<tr><td><code>ROOMS_MAX</code></td><td>3</td><td>salles</td></tr>",
	};
	struct ready *page = docs_realtime_page(*state);

	assert_non_null(page);
	for (size_t i = 0; i < N_ELEMENTS(parts); i++)
		if (!strstr(page->body->data, parts[i]))
			fail_msg("not there: %s\n%s", parts[i], page->body->data);
	assert_null(strstr(page->body->data, "://")); /* nothing of another host */
	cache_object_unref(&page->object);
}

static void test_docs_realtime__without_memory(void **state)
{
	struct openapi openapi = { 0 };

	fault_arm(FAULT_ALLOC, 1, /* repeat: */ true);
	assert_null(docs_realtime_page(*state));
	assert_false(openapi_add_realtime(&openapi, *state));
	fault_disarm_all();
	assert_null(openapi.realtime);
	assert_null(openapi.realtime_page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_docs_realtime__shows_what_the_document_has, setup, teardown),
		cmocka_unit_test_setup_teardown(test_docs_realtime__without_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
