"""Where requests go."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("monitoring.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include("notify.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]

handler400 = "notify.api.problems.handler400"
handler403 = "notify.api.problems.handler403"
handler404 = "notify.api.problems.handler404"
handler500 = "notify.api.problems.handler500"
