"""TLS for one of the sentinels and Redis, and authorities of our own for broker and results."""

import pytest
import rig
from reconcile_lost_test import wait_for_status
from reconcile_test import finding, send, start  # noqa: F401


@pytest.mark.parametrize("redis_tls, sentinel_tls", [(True, False), (False, True)])
def test_sentinels_and_redis_each_have_tls_or_not(folder, start, redis_tls,  # noqa: F811
                                                  sentinel_tls):
    """Results are in a third Redis, whose authority is neither the broker's nor the system's."""
    with rig.Redis(folder / "broker", tls=redis_tls) as broker, \
            rig.Sentinel(folder / "sentinel", broker, tls=sentinel_tls) as sentinel, \
            rig.Redis(folder / "results", tls=True) as results:
        told = {"sentinel_master": "mymaster", "tls_ca": str(sentinel.ca),
                "result_backend": results.url(), "result_backend_tls_ca": str(results.ca),
                "sentinel_tls": "on" if sentinel_tls else "off"}
        kanchi = start(sentinel.url() + ("?ssl=true" if redis_tls else ""), brokers=told)
        broker_url = broker.url() + (f"?ssl_cert_reqs=required&ssl_ca_certs={broker.ca}"
                                     if redis_tls else "")
        backend_url = results.url() + f"?ssl_cert_reqs=required&ssl_ca_certs={results.ca}"
        with rig.CeleryWorker(folder, broker_url, backend_url=backend_url) as worker:
            done = send(broker_url, backend_url, 1, "shop.order.price")[0]
            wait_for_status(kanchi, done, "success")
            answer = rig.wait_for(lambda: kanchi.get(f"/tasks/{done}/result"), 20, "its result")
            assert answer["state"] == "SUCCESS"
            assert not kanchi.post("/commands/ping", {
                "workers": [worker.hostname], "timeout": 20})["missing"]
            assert not finding(kanchi, "result_backend_unreachable")


def test_a_sentinel_in_the_clear_that_is_asked_by_tls_is_named_with_its_remedy(folder,
                                                                               start):  # noqa: F811
    with rig.Redis(folder / "broker", tls=True) as broker, \
            rig.Sentinel(folder / "sentinel", broker) as sentinel:
        kanchi = start(sentinel.url() + "?ssl=true",
                       brokers={"sentinel_master": "mymaster", "tls_ca": str(broker.ca)})

        def remedies():
            return [one["remedy"] for one in kanchi.get("/system")["findings"]
                    if "sentinel_tls" in one.get("remedy", "")]

        assert "sentinel_tls: off" in rig.wait_for(remedies, 30, "the finding")[0]
