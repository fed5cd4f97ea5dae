"""SQL over tables: spills instead of growing, and says in a sentence what it cannot do."""

import pytest

from dataset.errors import InputError
from dataset.queries import add_table, database, readable
from dataset.schema import POSES

SORT = "SELECT count(*) FROM (SELECT i, md5(i::TEXT) AS m FROM range(2000000) t(i) ORDER BY m OFFSET 1)"


def test_a_sort_larger_than_memory_goes_to_disk():
    with database(memory="60MB") as connection:
        assert connection.sql(SORT).fetchall() == [(1_999_999,)]


def test_no_room_on_disk_is_one_sentence():
    with pytest.raises(InputError, match=r"no room for temporary files.*TMPDIR"), database(memory="60MB") as connection:
        connection.execute("SET max_temp_directory_size = '1MB'")
        connection.sql(SORT).fetchall()


def test_a_table_without_files_is_empty_or_absent():
    with database() as connection:
        assert not add_table(connection, "poses", [], POSES)
        assert connection.sql('SELECT pose_id, "right".betas FROM poses').fetchall() == []
        assert not add_table(connection, "nothing", [])


def test_files_that_cannot_be_read_are_named(tmp_path):
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing more")
    with (
        pytest.raises(InputError, match=r"cannot be read .*broken\.parquet.*`render-ih verify`"),
        readable(tmp_path),
        database() as connection,
    ):
        add_table(connection, "images", [broken])
        connection.sql("SELECT * FROM images").fetchall()
