"""Tables as files: CSV that Excel opens right and cannot run, and Parquet in parts."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sbrtcheck.batch.columns import Column
from sbrtcheck.report.words import inert

__all__ = ["CsvTable", "ParquetTable", "Row", "Table", "cell"]

Row = Mapping[str, object]
FLAGS = {True: "true", False: "false"}
ROWS_AT_ONCE = 65_536


def cell(value: object, column: Column) -> object:
    """Return what stands in a CSV cell; text that a spreadsheet would run begins with an apostrophe.

    Examples
    --------
    >>> cell("=1+1", Column("roi", "text", "", ""))
    "'=1+1"
    >>> cell(-1.5, Column("margin", "number", "Gy", ""))
    -1.5
    """
    if value is None:
        return ""
    if column.kind == "flag":
        return FLAGS[bool(value)]
    if column.kind == "text" or isinstance(value, str):
        return inert(str(value))
    return value


class Table:
    """A table that is written row by row to one file."""

    def add(self, row: Row) -> None:
        """Add a row; columns that it lacks stay empty."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self


class CsvTable(Table):
    """UTF-8 with a byte order mark, so that Excel reads Chinese right."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow([column.name for column in columns])

    def add(self, row: Row) -> None:
        """Add a row."""
        self._writer.writerow([cell(row.get(c.name), c) for c in self._columns])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


class ParquetTable(Table):
    """Written in groups of rows, so that memory does not grow with the table."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {
            "text": pa.string(),
            "number": pa.float64(),
            "whole": pa.int64(),
            "flag": pa.bool_(),
        }
        self._schema = pa.schema([(c.name, kinds[c.kind]) for c in columns])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._columns: dict[str, list[object]] = {column.name: [] for column in columns}
        self._rows = 0

    def add(self, row: Row) -> None:
        """Add a row."""
        self.add_many({name: [row.get(name)] for name in self._columns}, 1)

    def add_many(self, columns: Mapping[str, list[object]], rows: int) -> None:
        """Add rows that are given as columns."""
        for name, kept in self._columns.items():
            kept.extend(columns[name])
        self._rows += rows
        if self._rows >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.table(self._columns, schema=self._schema))
        for kept in self._columns.values():
            kept.clear()
        self._rows = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._rows:
                self._flush()
        finally:
            self._writer.close()
