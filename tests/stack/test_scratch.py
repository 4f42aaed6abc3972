import os
import pytest
@pytest.mark.parametrize("n", range(4))
def test_x(n, clean_redis):
    from django.conf import settings
    print(settings.REDIS_URL, settings.DATABASE_URL)
