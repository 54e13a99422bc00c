from crosscheck.evidence.wording import counted


def test_a_number_of_things() -> None:
    assert [counted(1, "entry", "entries"), counted(0, "entry", "entries"), counted(2, "row")] == [
        "1 entry",
        "0 entries",
        "2 rows",
    ]
