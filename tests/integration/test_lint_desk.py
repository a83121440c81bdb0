"""`skein lint` at a desk and in a pull request's checks: no server, no coordinator. About 1 s."""
import json
import subprocess

from fleet import BUILD
from sets import write_set


def lint(*arguments, check=0, cwd=None):
    done = subprocess.run([f"{BUILD}/skein", *map(str, arguments)], capture_output=True, text=True,
                          check=False, cwd=cwd)
    assert done.returncode == check, done
    return done


def test_an_annotation_names_the_file_from_the_repository_on(tmp_path):
    write_set(tmp_path / "sets" / "shop", {"0.1.0__a.sql": "DROP INDEX orders_old;\n"}, name="shop")
    for folder in ("sets/shop", "./sets/shop/"):
        out = lint("lint", folder, "--format", "github", cwd=tmp_path).stdout
        assert out.startswith("::warning file=sets/shop/0.1.0__a.sql,line=1,title=drop-index::"), out
    out = lint("lint", ".", "--format", "github", cwd=tmp_path / "sets" / "shop").stdout
    assert out.startswith("::warning file=0.1.0__a.sql,line=1,"), out
    out = lint("lint", "sets/shop/0.1.0__a.sql", "--format", "github", cwd=tmp_path).stdout
    assert out.startswith("::warning file=sets/shop/0.1.0__a.sql,line=1,"), out


def test_warnings_fail_a_check_that_is_strict(tmp_path):
    folder = write_set(tmp_path / "set", {"0.1.0__a.sql": "DROP INDEX orders_old;\n"}, name="x")
    lint("lint", folder)
    lint("lint", folder, "--strict", check=6)
    fine = write_set(tmp_path / "fine", {"0.1.0__a.sql": "CREATE TABLE orders (id int);\n"}, name="x")
    lint("lint", fine, "--strict")


def test_what_is_wrong_with_a_set_is_found_at_its_line(tmp_path):
    folder = write_set(tmp_path / "set", {"0.1.0__a.sql": "SELECT 1;\n"}, name="x")
    (folder / "skein.yaml").write_text("name: x\nlatst: 0.1.0\n", encoding="utf-8")
    finding = json.loads(lint("lint", folder, "-o", "json", check=6).stdout)["findings"][0]
    assert (finding["rule"], finding["file"], finding["line"]) == ("set", "skein.yaml", 2), finding
    assert finding["message"].startswith("unknown key 'latst'"), finding
    out = lint("lint", "set", "--format", "github", check=6, cwd=tmp_path).stdout
    assert out.startswith("::error file=set/skein.yaml,line=2,title=set::"), out


def test_the_safe_way_stands_in_lines_of_its_own(tmp_path):
    folder = write_set(tmp_path / "set", {
        "0.1.0__a.sql": "ALTER TABLE \"Order\" ALTER COLUMN id SET NOT NULL;\n"}, name="x")
    out = lint("lint", folder).stdout
    assert ('    safe: ALTER TABLE "Order" ADD CONSTRAINT id_not_null CHECK (id IS NOT NULL) NOT VALID;\n'
            "          -- then, in a rollout of its own:\n"
            '          ALTER TABLE "Order" VALIDATE CONSTRAINT id_not_null;\n') in out, out


def test_slips_of_the_keyboard_are_answered():
    assert "did you mean 'skein rollout'?" in lint("rollut", check=2).stderr
    assert "did you mean 'skein rollout start'?" in lint("rollout", "strat", check=2).stderr
    err = lint("--coordinator", "127.0.0.1", "tenant", "list", check=2).stderr
    assert "'127.0.0.1' has no port: expected HOST:PORT" in err, err
