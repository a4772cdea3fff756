"""core.tasks.process_image_task: an image made to fit, in the place of the file, by a process that can do nothing else. tasks.md 1, 8."""

import io
import json
import os
import struct
import zlib

import pytest
from PIL import Image

from lib import outbox, wait
from lib.server import BINARY, is_sanitized
from lib.uploads import GIF, PDF

AWAY = 60  # seconds that may pass until something has happened
NAME = "core.tasks.process_image_task"


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(width, height, mode="RGB"):
    return Image.radial_gradient("L").resize((width, height)).convert(mode)


def head_of_png(width, height):
    """A PNG that says it is so large, and has next to nothing in it."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


class Studio:
    """A server with a worker of Celery's queue, whose results can be read."""

    def __init__(self, site, redis_server, worker):
        self.site, self.redis, self.worker = site, redis_server.client(2), worker

    def put(self, path, content):
        full = os.path.join(self.site.media, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(content)

    def get(self, path):
        with open(os.path.join(self.site.media, path), "rb") as f:
            return f.read()

    def process(self, *args):
        task_id = outbox.put(self.site.database, NAME, *args)
        meta = json.loads(wait.until(lambda: self.redis.get(f"celery-task-meta-{task_id}"), AWAY, "it has a result"))
        assert meta["status"] == "SUCCESS", meta
        return meta["result"]

    def image(self, path):
        image = Image.open(io.BytesIO(self.get(path)))
        image.load()
        return image


@pytest.fixture
def studio(make_site, redis_server, start_worker):
    site = make_site(redis=redis_server)
    worker = start_worker(redis_server, database=site.database.url, MEDIA_ROOT=site.media)
    return Studio(site, redis_server, worker)


def test_each_format_keeps_its_own(studio):
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        path = f"projets/a.{kind.lower()}"
        studio.put(path, saved(gradient(4000, 1000), kind))
        assert studio.process(path) == {"success": True, "image_path": path, "width": 1920, "height": 480, "format": kind}
        image = studio.image(path)
        assert (image.format, image.size) == (kind, (1920, 480))
        assert abs(image.convert("RGB").getpixel((960, 240))[0] - gradient(4000, 1000).getpixel((2000, 500))[0]) < 20
    assert sorted(studio.site.files()) == [f"projets/a.{kind}" for kind in ("gif", "jpeg", "png", "webp")]


def test_it_is_never_enlarged(studio):
    content = saved(gradient(300, 200), "PNG")
    studio.put("projets/a.png", content)
    assert studio.process("projets/a.png") == {"success": True, "image_path": "projets/a.png", "width": 300, "height": 200, "format": "PNG"}
    assert studio.get("projets/a.png") == content


def test_a_jpeg_is_rgb_of_the_quality_asked_for(studio):
    sizes = []
    for mode, quality in (("CMYK", 85), ("L", 85), ("RGB", 85), ("RGB", 20)):
        studio.put("projets/a.jpg", saved(gradient(600, 400, mode), "JPEG", quality=95))
        result = studio.process("projets/a.jpg", 300, 300, quality)
        assert (result["width"], result["height"]) == (300, 200)
        assert studio.image("projets/a.jpg").mode == "RGB"
        sizes.append(len(studio.get("projets/a.jpg")))
    assert sizes[3] < sizes[2]


def test_a_photograph_stands_upright(studio):
    picture = Image.new("RGB", (400, 200), (0, 0, 255))
    picture.paste((255, 0, 0), (0, 0, 200, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # its left is shown on top
    studio.put("projets/a.jpg", saved(picture, "JPEG", exif=exif))
    assert studio.process("projets/a.jpg", 100, 100) == {"success": True, "image_path": "projets/a.jpg", "width": 50, "height": 100, "format": "JPEG"}
    image = studio.image("projets/a.jpg")
    assert image.size == (50, 100) and image.getexif().get(0x0112) is None
    assert image.getpixel((25, 10))[0] > 200 and image.getpixel((25, 90))[2] > 200


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_what_cannot_be_seen_stays_so(studio, kind):
    picture = Image.new("RGBA", (400, 400), (255, 255, 255, 0))
    picture.paste((200, 30, 30, 255), (0, 0, 200, 400))
    path = f"projets/a.{kind.lower()}"
    studio.put(path, saved(picture, kind, **({"lossless": True} if kind == "WEBP" else {})))
    studio.process(path, 100, 100)
    image = studio.image(path).convert("RGBA")
    assert image.getpixel((10, 50))[3] == 255 and image.getpixel((90, 50))[3] == 0
    assert abs(image.getpixel((49, 50))[0] - 200) < 12 and image.getpixel((49, 50))[1] < 60  # nothing white shines through


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_what_is_animated_is_left_as_it_is(studio, kind):
    frames = [Image.new("RGB", (300, 300), (60 * i, 0, 0)) for i in range(4)]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    path = f"projets/a.{kind.lower()}"
    studio.put(path, content)
    assert studio.process(path, 100, 100) == {"success": True, "image_path": path, "width": 300, "height": 300, "format": kind}
    assert studio.get(path) == content


def refused_files():
    whole = {kind: saved(gradient(800, 600), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP")}
    yield from ((f"cut {kind}", content[:len(content) // 2]) for kind, content in whole.items())
    yield "51 megapixels", head_of_png(10000, 5100)
    yield "all that a PNG can say", head_of_png(2**31 - 1, 2**31 - 1)
    yield "a GIF of 65535 x 65535", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\0;"
    yield "a bomb that says little", head_of_png(7000, 7000)
    yield "a document", PDF
    yield "a GIF without a picture", GIF
    yield "nothing", b""
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg" width="9999" height="9999"/>'
    yield "TIFF", saved(gradient(100, 100), "TIFF")
    yield "BMP", saved(gradient(100, 100), "BMP")


def test_what_is_refused_stays_as_it_is(studio):
    for name, content in refused_files():
        studio.put("projets/a.png", content)
        result = studio.process("projets/a.png", 100, 100)
        assert result.keys() == {"success", "error"} and result["success"] is False, name
        assert "ended" not in result["error"], f"{name}: {result}"  # it said so itself
        assert studio.get("projets/a.png") == content
    assert studio.site.files() == ["projets/a.png"]


def test_fifty_megapixels_are_decoded(studio):
    studio.put("projets/a.png", saved(Image.new("RGB", (8000, 6200)), "PNG"))
    assert studio.process("projets/a.png", 100, 100) == {"success": True, "image_path": "projets/a.png", "width": 100, "height": 78, "format": "PNG"}


def test_the_path_stays_in_media(studio):
    content = saved(gradient(300, 300), "PNG")
    outside = os.path.join(studio.site.server.folder, "outside.png")
    with open(outside, "wb") as f:
        f.write(content)
    studio.put("projets/a.png", content)
    os.symlink(outside, os.path.join(studio.site.media, "projets", "link.png"))
    os.symlink(studio.site.server.folder, os.path.join(studio.site.media, "folder"))
    for path in ("../outside.png", "projets/../../outside.png", outside, "projets/link.png", "folder/outside.png", "projets", "", None, 5,
                 "projets/./a.png", "projets//a.png", "projets/a.png/", "projets/a.png\0"):
        assert studio.process(path, 100, 100) == {"success": False, "error": "no such file"}, path
    with open(outside, "rb") as f:
        assert f.read() == content
    assert studio.get("projets/a.png") == content


def test_a_frame_that_makes_no_sense_is_refused(studio):
    content = saved(gradient(300, 300), "JPEG")
    studio.put("projets/a.jpg", content)
    for args in ((0, 100), (100, -1), (100, 100, 0), (100, 100, 101), ("wide", 100), (None,), (10**6, 100)):
        assert studio.process("projets/a.jpg", *args)["success"] is False, args
    assert studio.get("projets/a.jpg") == content


def test_what_is_served_is_whole(studio):
    """While it is replaced again and again, readers get the old file or the new one."""
    path = "projets/a.jpg"
    first = saved(gradient(1500, 1500), "JPEG", quality=95)
    studio.put(path, first)
    task_id = outbox.put(studio.site.database, NAME, path, 700, 700)
    answers = []
    while not studio.redis.get(f"celery-task-meta-{task_id}"):
        answers.append(studio.site.server.get(f"/media/{path}").raw)
    second = studio.get(path)
    assert second != first and answers and all(answer in (first, second) for answer in answers)
    assert os.stat(os.path.join(studio.site.media, path)).st_mode & 0o777 == 0o640
    assert studio.site.files() == [path]


def test_the_program_is_confined(studio):
    """What it was given is all it has: /proc tells of one that waits for the rest of its image."""
    import subprocess

    program = os.path.join(os.path.dirname(os.path.abspath(BINARY)), "egoejo-image")
    with subprocess.Popen([program, "100", "100", "85"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}) as child:
        child.stdin.write(saved(gradient(10, 10), "PNG"))
        child.stdin.flush()
        status = wait.until(lambda: (text := read_status(child.pid)).get("NoNewPrivs") == "1" and text, AWAY, "it is confined")
        if not is_sanitized():
            wait.until(lambda: read_status(child.pid)["Seccomp"] == "2", AWAY, "its calls are filtered")
            with open(f"/proc/{child.pid}/limits") as f:
                limits = {line[:25].strip(): line[26:].split()[0] for line in f}
            assert limits["Max file size"] == limits["Max open files"] == limits["Max core file size"] == "0"
            assert int(limits["Max address space"]) == 768 << 20 and int(limits["Max cpu time"]) <= 60
        child.stdin.close()
        assert child.stdout.read() == b"ok PNG 10 10 same\n"
    assert child.returncode == 0 and status


def read_status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
