"""A light load on the tenants: short transactions of their own, beside the migrations."""
import random
import threading
import time

import psycopg2

PAUSE_S = 0.02


class Load:
    def __init__(self, tenants, seed):
        self.tenants = tenants
        self.stop = threading.Event()
        self.transactions = 0
        self.errors = 0
        self.longest_s = 0.0
        self.acknowledged = {t.name: 0 for t in tenants}
        self.rng = random.Random(f"{seed} load")
        self.threads = [threading.Thread(target=self._run, args=([t for t in tenants if t.server is server],),
                                         daemon=True)
                        for server in {id(t.server): t.server for t in tenants}.values()]

    def start(self):
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, tenants):
        connections = {}
        while not self.stop.wait(PAUSE_S):
            tenant = self.rng.choice(tenants)
            began = time.monotonic()
            try:
                self._one(connections, tenant)
                self.transactions += 1
                self.acknowledged[tenant.name] += 1
                self.longest_s = max(self.longest_s, time.monotonic() - began)
            except psycopg2.Error:
                self.errors += 1
                broken = connections.pop(tenant.database, None)
                if broken is not None:
                    broken.close()
                self.stop.wait(0.2)
        for connection in connections.values():
            connection.close()

    def _one(self, connections, tenant):
        connection = connections.get(tenant.database)
        if connection is None:
            connection = psycopg2.connect(tenant.server.conninfo(tenant.database) + " application_name=traffic")
            connections[tenant.database] = connection
        with connection, connection.cursor() as cursor:
            cursor.execute(f'SET LOCAL search_path = "{tenant.schema}"')
            cursor.execute("UPDATE storm_traffic SET n = n + 1 WHERE id = %s", (self.rng.randint(1, 5),))
            cursor.execute("SELECT count(*) FROM storm_alpha, storm_beta")
