"""What pyproject.toml cannot say: the runtime's C sources and the model zoo travel inside the package as data."""

from setuptools import find_packages, setup

DATA = {"kaoken._runtime": "runtime", "kaoken._models": "models"}

setup(
    packages=find_packages(include=["kaoken", "kaoken.*"]) + list(DATA),
    package_dir=DATA,
    package_data={
        "kaoken": ["py.typed"],
        "kaoken.bench": ["*.h", "*.c"],
        "kaoken.tune": ["*.c"],
        "kaoken.emit": ["templates/**/*"],
        "kaoken.report": ["templates/*"],
        "kaoken._runtime": ["*.c", "*.h", "model/*"],
        "kaoken._models": ["zoo.toml", "configs/*.json", "story*/*.json", "story*/*.safetensors"],
    },
)
