"""Sole importer of pydicom and pynetdicom."""
