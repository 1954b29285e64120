"""What was built, seen before anything runs."""


def test_everything_that_the_workers_need_is_in_the_artifact(flash_artifact):
    assert {"lb_worker.py", "gpu_worker.py", "cpu_worker.py"} <= set(flash_artifact.files)
    assert {"slugify", "rapidfuzz"} <= {path.split("/")[0] for path in flash_artifact.files}


def test_each_endpoint_gets_what_it_asked_for(flash_manifest):
    gpu, cpu, api = (flash_manifest.resources[name] for name in ("gpu_worker", "cpu_worker", "lb_worker"))

    assert (gpu.gpu_ids, gpu.workers_max) == ("AMPERE_16", 3)
    assert (cpu.instance_ids, cpu.workers_max) == (["cpu3c-1-2"], 2)
    assert (api.instance_ids, api.workers_min, api.workers_max) == (["cpu5c-4-8"], 1, 5)
    assert flash_manifest.routes["lb_worker"] == {"POST /process": "process", "GET /health": "health"}
