"""The ASGI entry point that uvicorn serves."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

from webapp.core.metrics_sharing import share_metrics

# before anything imports the library that counts
share_metrics(settings.DATA_DIR / "metrics")
_django = get_asgi_application()

# what needs Django's models, which exist once the line above ran
from webapp.core.api_threads import ApiThreads  # noqa: E402
from webapp.core.body_limit import BodyLimit  # noqa: E402
from webapp.core.failures import API_PREFIX  # noqa: E402
from webapp.core.garbage import SettingAside  # noqa: E402
from webapp.core.kept_connections.base import keep_connections  # noqa: E402
from webapp.core.made_ready import make_ready  # noqa: E402
from webapp.core.orphans import end_with_parent  # noqa: E402
from webapp.serving.door.application import Door  # noqa: E402

keep_connections()
end_with_parent()
# the thread that appends impressions must not wait 5 ms for each turn while the event loop is busy
sys.setswitchinterval(0.001)
make_ready()
SettingAside().turn(now=True)

application = BodyLimit(Door(ApiThreads(_django, API_PREFIX)), settings.MAX_BODY_BYTES + settings.FORM_OVERHEAD_BYTES)
