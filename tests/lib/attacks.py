"""What attackers send, and how to see that it did no harm."""

import json
import re

# Each would show: by an error of the database, a wait of ten seconds, a table that goes, or rows that were not asked for.
SQL = [
    "'",
    "' OR '1'='1",
    "1 OR 1=1",
    "\\' OR 1=1 --",
    "'; DROP TABLE auth_user; --",
    "'; UPDATE auth_user SET is_superuser = true; --",
    "1; SELECT pg_sleep(10) --",
    "' || (SELECT pg_sleep(10)) || '",
    "' UNION SELECT password FROM auth_user --",
    "%' ESCAPE '!' OR 1=1 --",
    "$1",
    "$$ $q$ :name ? %s {0}",
    "x\" ON CONFLICT DO NOTHING --",
    "' AND randomblob(1000000000) AND '",
    "１' OR '１'='１",
]
# The fewest that still show something, for routes that hash passwords.
SQL_SHORT = ["' OR '1'='1", "'; DROP TABLE auth_user; --"]

XSS = [
    "<script>alert(1)</script>",
    "<ScRiPt/src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "\"><script>alert(1)</script>",
    "' autofocus onfocus=alert(1) x='",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\" java\tscript:alert(1)\">x</a>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "<math><mtext></p><style><!--</style><img title=\"--&gt;&lt;img src=x onerror=alert(1)&gt;\">",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\u003cscript\u003ealert(1)\u003c/script\u003e",
    "＜script＞alert(1)＜/script＞",
    "<!--<script>-->alert(1)",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<body onload=alert(1)>",
    "</textarea></title><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "${7*7}<%= 7*7 %>#{7*7}",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "\u202e<script>\u2028alert(1)\u2029</script>",
]

# What no error tells a client: the database's words, a statement, a place in the program or on the disk, a stored hash.
LEAK = re.compile(r"SQLSTATE|sqlite|postgres|libpq|syntax error|near \"|constraint|duplicate key|relation \"|no such (table|column)|unrecognized token"
                  r"|\bSELECT\b.*\bFROM\b|INSERT INTO|\bUPDATE \w+ SET\b|DELETE FROM|Traceback|\.[ch]:\d+|0x[0-9a-f]{6,}|/(home|root|usr|tmp|var|etc)/\w"
                  r"|pbkdf2_sha|argon2|errno|assert", re.I)


def check(answer, sent="", statuses=None, later=False, page=False):
    """
    A clean answer: no 5xx (501 for a line without handler), no word of the inside in an error, JSON that says it is, no new
    header, and no page but for those that are meant to be one.
    """
    assert answer.status < 500 or (later and answer.status == 501), (answer.status, sent, answer.raw[:300])
    if statuses is not None:
        assert answer.status in statuses, (answer.status, sent, answer.raw[:300])
    names = {name.lower() for name in answer.headers}
    assert not names & {"x-evil", "set-cookie"}, (sent, names)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    kind = (answer.headers["Content-Type"] or "").split(";")[0]
    assert kind != "text/html" or page, sent
    if answer.status >= 400:
        text = answer.body.decode()
        if kind == "application/json":
            json.loads(text)
            text = json.dumps(json.loads(text), ensure_ascii=False)
        for echo in {str(sent), json.dumps(str(sent), ensure_ascii=False)[1:-1]} - {""}:
            text = text.replace(echo, "")
        assert not LEAK.search(text), (sent, text[:300])
    return answer
