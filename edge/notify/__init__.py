"""Sole importer of smtplib: pages that no pager answers, told by a command or by e-mail."""
