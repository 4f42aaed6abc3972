"""Where requests go."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from admin_portal.board import page as board

admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("notify.api.urls")),  # first: patterns are tried in turn, and its calls are many
    path("", include("monitoring.urls")),
    path("admin/account/", include("admin_portal.admin.account")),
    path("admin/board/", board.part, name="board"),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]

handler400 = "notify.api.problems.handler400"
handler403 = "notify.api.problems.handler403"
handler404 = "notify.api.problems.handler404"
handler500 = "notify.api.problems.handler500"
