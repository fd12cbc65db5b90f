"""The ASGI entry point that uvicorn serves."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
_django = get_asgi_application()

# Django's settings exist once the line above ran
from django.conf import settings  # noqa: E402

from webapp.core.api_threads import ApiThreads  # noqa: E402
from webapp.core.body_limit import BodyLimit  # noqa: E402
from webapp.core.failures import API_PREFIX  # noqa: E402
from webapp.core.kept_connections.base import keep_connections  # noqa: E402
from webapp.core.orphans import end_with_parent  # noqa: E402

keep_connections()
end_with_parent()

application = BodyLimit(ApiThreads(_django, API_PREFIX), settings.MAX_BODY_BYTES + settings.FORM_OVERHEAD_BYTES)
