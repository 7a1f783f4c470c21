# The same image without its bytecode.
FROM hello

USER root
RUN find / -xdev -name '*.pyc' -delete
USER 10001:10001
