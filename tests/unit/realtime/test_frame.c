#include "realtime/frame.h"

#include "base/fault.h"
#include "tests/lib/test.h"

#define MASK "\1\2\3\4"

/* What the bytes are as a head: its length, 0 for more to come, -1; the same when they come one by one. */
static int read_head(struct str bytes, struct frame_head *ret)
{
	const unsigned char *p = (const unsigned char *)bytes.s;
	int length = 0;

	for (size_t n = 0; n <= bytes.len && length == 0; n++)
		length = frame_read_head(p, n, ret);
	assert_int_equal(length, frame_read_head(p, bytes.len, ret));
	return length;
}

static void test_frame__reads_heads(void **state)
{
	static const struct {
		struct str bytes;
		enum frame_opcode opcode;
		bool fin;
		uint64_t length;
	} heads[] = {
		{ STR("\x81\x80" MASK), FRAME_TEXT, true, 0 },
		{ STR("\x01\xfd" MASK), FRAME_TEXT, false, 125 },
		{ STR("\x82\xfe\x00\x7e" MASK), FRAME_BINARY, true, 126 },
		{ STR("\x00\xfe\xff\xff" MASK), FRAME_CONTINUATION, false, 65535 },
		{ STR("\x80\xff\x00\x00\x00\x00\x00\x01\x00\x00" MASK), FRAME_CONTINUATION, true, 65536 },
		{ STR("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK), FRAME_BINARY, true, INT64_MAX },
		{ STR("\x88\xfd" MASK), FRAME_CLOSE, true, 125 },
		{ STR("\x89\x80" MASK), FRAME_PING, true, 0 },
		{ STR("\x8a\x81" MASK), FRAME_PONG, true, 1 },
	};

	for (size_t i = 0; i < N_ELEMENTS(heads); i++) {
		struct frame_head head = { 0 };

		assert_int_equal(read_head(heads[i].bytes, &head), heads[i].bytes.len);
		assert_int_equal(head.opcode, heads[i].opcode);
		assert_int_equal(head.fin, heads[i].fin);
		assert_int_equal(head.bytes, heads[i].length);
		assert_memory_equal(head.mask, MASK, 4);
	}
}

/* Each is refused at its last byte: what comes before could still have become something. */
static void test_frame__refuses_what_no_client_may_send(void **state)
{
	static const struct str wrong[] = {
		STR("\xc1"),
		STR("\xa1"),
		STR("\x91"),
		STR("\xf9"), /* reserved bits */
		STR("\x83"),
		STR("\x87"),
		STR("\x8b"),
		STR("\x8f"), /* reserved opcodes */
		STR("\x08"),
		STR("\x09"),
		STR("\x0a"), /* control frames in pieces */
		STR("\x81\x05"),
		STR("\x89\x00"), /* no mask */
		STR("\x88\xfe"),
		STR("\x89\xff"), /* control frames that are too long */
		STR("\x81\xfe\x00\x7d"),
		STR("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"), /* lengths that are not the shortest */
		STR("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"), /* a negative one */
	};
	struct frame_head head;

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		const unsigned char *p = (const unsigned char *)wrong[i].s;

		assert_int_equal(frame_read_head(p, wrong[i].len - 1, &head), 0);
		assert_int_equal(frame_read_head(p, wrong[i].len, &head), -1);
	}
}

static void test_frame__unmasks_in_pieces(void **state)
{
	const struct frame_head head = { .mask = { 0x37, 0xfa, 0x21, 0x3d } };
	unsigned char bytes[] = "\x7f\x9f\x4d\x51\x58"; /* RFC 6455 section 5.7: "Hello" */

	frame_unmask(&head, 0, bytes, 3);
	frame_unmask(&head, 3, bytes + 3, 2);
	assert_memory_equal(bytes, "Hello", 5);
}

/* At which byte the text is refused; -1: nowhere, and it is whole; -2: nowhere, but it breaks off. */
static int refused_at(struct str text)
{
	struct frame_text check = { 0 };

	for (size_t i = 0; i < text.len; i++)
		if (!frame_text_add(&check, text.s + i, 1))
			return (int)i;
	return check.missing ? -2 : -1;
}

static void test_frame__refuses_text_at_its_first_wrong_byte(void **state)
{
	static const struct {
		struct str text;
		int at;
	} texts[] = {
		{ STR(""), -1 },
		{ STR("abc\x7f"), -1 },
		{ STR("\xc2\x80\xdf\xbf"), -1 },
		{ STR("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"), -1 },
		{ STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), -1 },
		{ STR("a\x80"), 1 },
		{ STR("\xc0\x80"), 0 },
		{ STR("\xc1\xbf"), 0 },
		{ STR("\xe0\x9f\xbf"), 1 },
		{ STR("\xed\xa0\x80"), 1 },
		{ STR("\xf0\x8f\xbf\xbf"), 1 },
		{ STR("\xf4\x90\x80\x80"), 1 },
		{ STR("\xf5\x80\x80\x80"), 0 },
		{ STR("\xe2\x82"), -2 },
		{ STR("\xe2\x82z"), 2 },
		{ STR("\xf0\x9f\x98\xc0"), 3 },
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		assert_int_equal(refused_at(texts[i].text), texts[i].at);
}

/* The same as the validator of whole texts, for every text of one to three bytes out of the interesting ones. */
static void test_frame__agrees_about_text(void **state)
{
	static const unsigned char bytes[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		                               0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff };
	size_t n = N_ELEMENTS(bytes);

	for (size_t i = 0; i < n * n * n * n; i++) {
		const char text[4] = { (char)bytes[i % n], (char)bytes[i / n % n], (char)bytes[i / n / n % n], (char)bytes[i / n / n / n] };

		for (size_t len = 1; len <= 4; len++)
			assert_int_equal(refused_at((struct str){ text, len }) == -1, str_valid_utf8((struct str){ text, len }));
	}
}

static void test_frame__judges_closes(void **state)
{
	static const struct {
		struct str payload;
		enum close_cause cause;
	} closes_of_clients[] = {
		{ STR(""), CLOSE_CLIENT },
		{ STR("\x03\xe8"), CLOSE_CLIENT },
		{ STR("\x03\xe8gut \xc3\xa9"), CLOSE_CLIENT },
		{ STR("\x03\xf6"), CLOSE_CLIENT },
		{ STR("\x0b\xb8"), CLOSE_CLIENT },
		{ STR("\x13\x87"), CLOSE_CLIENT },
		{ STR("\x03"), CLOSE_PROTOCOL },
		{ STR("\x00\x00"), CLOSE_PROTOCOL },
		{ STR("\x03\xe7"), CLOSE_PROTOCOL },
		{ STR("\x03\xec"), CLOSE_PROTOCOL },
		{ STR("\x03\xee"), CLOSE_PROTOCOL },
		{ STR("\x03\xf7"), CLOSE_PROTOCOL },
		{ STR("\x0b\xb7"), CLOSE_PROTOCOL },
		{ STR("\x13\x88"), CLOSE_PROTOCOL },
		{ STR("\xff\xff"), CLOSE_PROTOCOL },
		{ STR("\x03\xe8\xc3"), CLOSE_NOT_UTF8 },
	};

	for (size_t i = 0; i < N_ELEMENTS(closes_of_clients); i++)
		assert_int_equal(frame_judge_close(closes_of_clients[i].payload), closes_of_clients[i].cause);
}

static void assert_head(size_t length, const char *head, size_t n)
{
	static char text[70000];
	struct blob *frame = frame_create(FRAME_TEXT, (struct str){ text, length });

	assert_int_equal(frame->len, n + length);
	assert_memory_equal(frame->data, head, n);
	blob_unref(frame);
}

static void test_frame__writes_the_shortest_head(void **state)
{
	assert_head(0, "\x81\x00", 2);
	assert_head(125, "\x81\x7d", 2);
	assert_head(126, "\x81\x7e\x00\x7e", 4);
	assert_head(65535, "\x81\x7e\xff\xff", 4);
	assert_head(65536, "\x81\x7f\0\0\0\0\0\1\0\0", 10);
}

static void test_frame__writes_messages_and_closes(void **state)
{
	struct blob *pong = frame_message(SENT_PONG, (struct str){ NULL, 0 });
	struct blob *error = frame_message(SENT_ERROR, (struct str)STR("{}"));
	struct blob *end = frame_create_close(&closes[CLOSE_SLOW_CONSUMER]);

	assert_string_equal(pong->data, "\x81\x0f{\"type\":\"pong\"}");
	assert_string_equal(error->data, "\x81\x1d{\"type\":\"error\",\"payload\":{}}");
	assert_string_equal(end->data, "\x88\x0f\x03\xf5slow_consumer");
	blob_unref(pong);
	blob_unref(error);
	blob_unref(end);
}

static void test_frame__without_memory(void **state)
{
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		assert_null(frame_message(SENT_ERROR, (struct str)STR("{}")));
		fault_disarm_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame__reads_heads),
		cmocka_unit_test(test_frame__refuses_what_no_client_may_send),
		cmocka_unit_test(test_frame__unmasks_in_pieces),
		cmocka_unit_test(test_frame__refuses_text_at_its_first_wrong_byte),
		cmocka_unit_test(test_frame__agrees_about_text),
		cmocka_unit_test(test_frame__judges_closes),
		cmocka_unit_test(test_frame__writes_the_shortest_head),
		cmocka_unit_test(test_frame__writes_messages_and_closes),
		cmocka_unit_test(test_frame__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
