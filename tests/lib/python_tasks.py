"""A Celery application with the tasks of the interop checks, for tests/e2e/test_celery.py: a Python worker or client beside ours."""

import os
import time

from celery import Celery

URL = os.environ["CELERY_BROKER_URL"]

app = Celery("python_tasks", broker=URL, backend=URL)
app.conf.update(task_serializer="json", accept_content=["json"], result_serializer="json", timezone="UTC", enable_utc=True, task_acks_late=True,
                task_reject_on_worker_lost=True, worker_send_task_events=True, broker_connection_retry_on_startup=True,
                worker_hijack_root_logger=False,
                broker_transport_options={"visibility_timeout": int(os.environ.get("VISIBILITY_TIMEOUT", "3600"))})


@app.task(name="interop.add")
def add(x, y):
    return x + y


@app.task(name="interop.sleep")
def sleep(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name="interop.echo")
def echo(*args, **kwargs):
    return {"args": list(args), "kwargs": kwargs}


@app.task(name="interop.flaky_retry", bind=True)
def flaky_retry(self, key, failures=2, max_retries=3, countdown=0):
    if self.request.retries < failures:
        raise self.retry(exc=ConnectionError(f"attempt {self.request.retries}"), countdown=countdown, max_retries=max_retries)
    return {"key": key, "retries": self.request.retries}
