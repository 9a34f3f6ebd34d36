"""What is run once in a container of this image: the database made ready, products, datasets and ranges put into it.

    python3 -m ows_jobs init-db | schema | products | index | ranges | update

``update`` is index and ranges in one. Each job can be run again at any time: it changes what is missing or different,
and nothing else. Progress goes to stdout; the last line is ``RESULT {json}``, or on stderr a sentence that says what
failed and what to run. The exit code is 0 only when the job did what its name says: upstream's commands alone often exit
0 when they did not.
"""
