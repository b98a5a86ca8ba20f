# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Shipped files are found through the package, wherever it was installed and wherever the user stands."""

import sys
from pathlib import Path

import pytest

from mat_ros.core import shipped
from mat_ros.core.errors import Missing, Refused


def make_share(prefix: Path) -> Path:
    share = prefix / "share" / "mat_ros"
    (share / "launch").mkdir(parents=True)
    (share / "package.xml").touch()
    (share / "launch" / "hands.launch.py").touch()
    return share


@pytest.fixture
def installed_package(monkeypatch, tmp_path):
    """Pretend to lie in a site-packages, with no checkout around."""
    package = tmp_path / "site-packages" / "mat_ros"
    (package / "config" / "robots").mkdir(parents=True)
    (package / "config" / "robots" / "arm.yaml").touch()
    monkeypatch.setattr(shipped, "PACKAGE_FOLDER", package)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return package


def test_a_configuration_is_found_by_name_from_any_folder(installed_package, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert shipped.config_names("robots") == ["arm"]
    assert shipped.config_file("robots", "arm") == installed_package / "config" / "robots" / "arm.yaml"


def test_a_path_is_the_users_own_configuration(installed_package):
    assert shipped.config_file("robots", "my/arm.yaml") == Path("my/arm.yaml")


def test_an_unknown_configuration_is_refused_with_the_known_names(installed_package):
    with pytest.raises(Refused, match="expected one of arm, got leg"):
        shipped.config_file("robots", "leg")


def test_launch_files_of_a_pip_install_lie_below_the_environments_prefix(installed_package, tmp_path):
    share = make_share(tmp_path / "prefix")
    assert shipped.launch_file("hands") == share / "launch" / "hands.launch.py"


def test_launch_files_of_a_colcon_install_are_found_through_the_ament_index(installed_package, monkeypatch, tmp_path):
    share = make_share(tmp_path / "install" / "mat_ros")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/opt/none:{tmp_path / 'install' / 'mat_ros'}")
    assert shipped.launch_file("hands") == share / "launch" / "hands.launch.py"


def test_launch_files_of_an_editable_install_are_the_checkouts(monkeypatch, tmp_path):
    share = make_share(tmp_path)
    monkeypatch.setattr(shipped, "PACKAGE_FOLDER", share / "mat_ros")
    assert shipped.launch_file("hands") == share / "launch" / "hands.launch.py"


def test_a_launch_file_that_is_nowhere_names_the_places_searched(installed_package, tmp_path):
    make_share(tmp_path / "prefix")
    with pytest.raises(Missing, match=r"arms\.launch\.py \(searched .*prefix/share/mat_ros/launch\)"):
        shipped.launch_file("arms")
