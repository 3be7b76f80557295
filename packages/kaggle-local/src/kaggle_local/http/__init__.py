"""The API over HTTP: methods, uploads, downloads, the live log; and what goes wrong on demand."""
